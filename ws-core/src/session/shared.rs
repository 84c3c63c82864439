//! The state that all clones of [`Sessions`](super::Sessions) share.

use std::sync::{Arc, Weak};

use super::arrivals::ReplacedKeys;
use super::backend::Backend;
use super::keeper::Keeper;
use super::notice::{EndedSession, MAX_ENDED};
use super::options::SessionOptions;
use super::registry::{AcquiredSession, Registry};
use super::server::SessionServer;
use super::store::DynStore;
use super::{
    CookieOptions, MemoryStore, Session, SessionGeneration, SessionId, SessionKey, SessionNotice,
    SessionRecord,
};
use crate::rates::AddressRates;
use crate::throttle::LogThrottle;

/// The state of one server's sessions.
pub(super) struct SharedSessions {
    pub(super) backend: Arc<Backend>,
    pub(super) registry: Arc<Registry>,
    keeper: Arc<Keeper>,
    pub(super) session_cookies: [String; 2],
    pub(super) page_cookies: [String; 2],
    pub(super) cookies: CookieOptions,
    pub(super) begin_rates: AddressRates,
    pub(super) replaced_keys: ReplacedKeys,
    /// Requests whose cookies name several live sessions.
    pub(super) ambiguous: LogThrottle,
}

/// The name of a cookie over plain HTTP, and over TLS.
fn per_scheme(name: String, prefix: &str) -> [String; 2] {
    let secure = format!("{prefix}{name}");
    [name, secure]
}

impl SharedSessions {
    pub(super) fn new(options: SessionOptions) -> Arc<Self> {
        let limits = options.limits.clamped();
        let in_memory = || {
            let store = MemoryStore::new(limits.sessions).bytes(limits.memory);
            Box::new(store) as Box<dyn DynStore>
        };
        let store = options.store.unwrap_or_else(in_memory);
        let backend = Arc::new(Backend::new(store, options.source, limits));
        let prefix = options.cookies.secure_prefix();
        Arc::new_cyclic(|inner: &Weak<Self>| {
            let registry = Arc::new(Registry::new(inner.clone(), limits.lifetime));
            Self {
                keeper: Arc::new(Keeper::new(backend.clone(), registry.clone())),
                backend,
                registry,
                session_cookies: per_scheme(options.session_cookie, prefix),
                page_cookies: per_scheme(options.page_cookie, prefix),
                cookies: options.cookies,
                begin_rates: AddressRates::default(),
                replaced_keys: ReplacedKeys::default(),
                ambiguous: LogThrottle::default(),
            }
        })
    }

    /// Returns a handle to a session that the store has. If it replaces another session after a
    /// logon, the pages are notified.
    pub(super) fn acquire(
        &self,
        key: SessionKey,
        foreign: Option<String>,
        record: SessionRecord,
    ) -> AcquiredSession {
        let acquired = self.registry.acquire(key, foreign, record);
        let session = &acquired.session;
        for before in &acquired.renewed {
            let pages = self.backend.pages();
            pages.for_each(|it| it.renewed(*before, session.generation(), session.user()));
        }
        acquired
    }

    /// Notifies the other servers of a change.
    pub(super) fn announce(&self, notice: &SessionNotice) {
        self.backend.pages().for_each(|it| it.announce(notice));
    }

    /// Notifies the other servers that a logon has made this session the current one.
    pub(super) fn announce_renewal(&self, session: &Session) {
        let live = &session.live;
        self.announce(&SessionNotice::renewed(
            live.generation(),
            live.key,
            live.user(),
        ));
    }

    /// Compares the sessions in use with the store.
    #[cfg(feature = "cluster")]
    pub(super) fn check_soon(&self) {
        self.keeper.check_soon();
    }

    /// Notifies the other servers that these sessions have ended.
    pub(super) fn announce_ends(&self, ended: &[EndedSession]) {
        for ended in ended.chunks(MAX_ENDED) {
            self.announce(&SessionNotice::Ended(ended.to_vec()));
        }
    }
}

impl SessionServer for SharedSessions {
    fn backend(&self) -> &Arc<Backend> {
        &self.backend
    }

    fn start_keeper(&self) {
        self.keeper.start();
    }

    fn forget(&self, id: SessionId, renewals: u32) {
        self.registry.forget(id, renewals);
    }

    fn subscriptions_changed(&self, id: SessionId) {
        if self
            .backend
            .pages()
            .any(|pages| pages.has_subscriptions(id))
        {
            self.registry.hold(id);
            self.keeper.start();
        } else {
            self.registry.release(id);
        }
    }

    fn ended(&self, session: SessionGeneration) {
        self.backend.pages().for_each(|pages| pages.ended(session));
        self.subscriptions_changed(session.id);
    }
}
