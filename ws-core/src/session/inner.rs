//! The state that all clones of [`Sessions`](super::Sessions) share.

use std::sync::{Arc, Weak};

use super::arrivals::{Newcomers, Overtaken};
use super::backend::Backend;
use super::keeper::Keeper;
use super::live::Home;
use super::options::{SECURE_PREFIX, SessionOptions};
use super::registry::{Holding, Registry};
use super::store::DynStore;
use super::{MemoryStore, SessionId, SessionKey, SessionRecord};
use crate::throttle::LogThrottle;

/// The state of one server's sessions.
pub(super) struct Inner {
    pub(super) backend: Arc<Backend>,
    pub(super) registry: Arc<Registry>,
    keeper: Arc<Keeper>,
    pub(super) session_cookies: [String; 2],
    pub(super) page_cookies: [String; 2],
    pub(super) newcomers: Newcomers,
    pub(super) overtaken: Overtaken,
    /// Requests whose cookies name several live sessions.
    pub(super) ambiguous: LogThrottle,
}

/// The name of a cookie over plain HTTP, and over TLS.
fn both(name: String) -> [String; 2] {
    let secure = format!("{SECURE_PREFIX}{name}");
    [name, secure]
}

impl Inner {
    pub(super) fn new(options: SessionOptions) -> Arc<Self> {
        let limits = options.limits.bounded();
        let in_memory = || {
            let store = MemoryStore::new(limits.sessions).bytes(limits.memory);
            Box::new(store) as Box<dyn DynStore>
        };
        let store = options.store.unwrap_or_else(in_memory);
        let backend = Arc::new(Backend::new(store, options.source, limits));
        Arc::new_cyclic(|inner: &Weak<Self>| {
            let registry = Arc::new(Registry::new(inner.clone(), limits.lifetime));
            Self {
                keeper: Arc::new(Keeper::new(backend.clone(), registry.clone())),
                backend,
                registry,
                session_cookies: both(options.session_cookie),
                page_cookies: both(options.page_cookie),
                newcomers: Newcomers::default(),
                overtaken: Overtaken::default(),
                ambiguous: LogThrottle::default(),
            }
        })
    }

    /// Returns a handle to a session that the store has. If it replaces another session after a
    /// logon, the pages are notified.
    pub(super) fn hold(
        &self,
        key: SessionKey,
        foreign: Option<String>,
        record: SessionRecord,
    ) -> Holding {
        let held = self.registry.hold(key, foreign, record);
        for lineage in &held.renewed {
            self.backend
                .pages()
                .for_each(|pages| pages.renewed(*lineage));
        }
        held
    }
}

impl Home for Inner {
    fn backend(&self) -> &Arc<Backend> {
        &self.backend
    }

    fn keep(&self) {
        self.keeper.start();
    }

    fn forget(&self, id: SessionId, renewals: u32) {
        self.registry.forget(id, renewals);
    }
}
