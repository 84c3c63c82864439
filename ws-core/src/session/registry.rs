//! What a process holds of its sessions, and how their store is asked.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::arrivals::{Newcomers, Overtaken};
use super::keeper::Keeper;
use super::live::{Live, SessionPages};
use super::options::{SECURE_PREFIX, SessionOptions};
use super::store::{DynSource, DynStore};
use super::{MemoryStore, Session, SessionError, SessionId, SessionKey, SessionRecord, StoreError};
use crate::late;
use crate::limits::SessionLimits;
use crate::throttle::Throttle;

/// What all clones of [`Sessions`](super::Sessions) share.
pub(super) struct Inner {
    pub(super) store: Box<dyn DynStore>,
    pub(super) source: Option<Box<dyn DynSource>>,
    pub(super) limits: SessionLimits,
    pub(super) session_cookies: [String; 2],
    pub(super) page_cookies: [String; 2],
    /// What somebody holds, by id and number of renewals.
    live: Mutex<BTreeMap<(SessionId, u32), Weak<Live>>>,
    /// One for each server; nearly always there is one.
    pages: Mutex<Vec<Weak<dyn SessionPages>>>,
    keeper: Keeper,
    pub(super) newcomers: Newcomers,
    pub(super) overtaken: Overtaken,
    /// Requests whose cookies name several live sessions.
    pub(super) ambiguous: Throttle,
}

/// A name as it is over plain HTTP, and over TLS.
fn both(name: String) -> [String; 2] {
    let secure = format!("{SECURE_PREFIX}{name}");
    [name, secure]
}

impl Inner {
    pub(super) fn new(options: SessionOptions) -> Self {
        let limits = options.limits.bounded();
        let in_memory = || {
            let store = MemoryStore::new(limits.sessions).bytes(limits.memory);
            Box::new(store) as Box<dyn DynStore>
        };
        Self {
            store: options.store.unwrap_or_else(in_memory),
            source: options.source,
            limits,
            session_cookies: both(options.session_cookie),
            page_cookies: both(options.page_cookie),
            live: Mutex::default(),
            pages: Mutex::default(),
            keeper: Keeper::default(),
            newcomers: Newcomers::default(),
            overtaken: Overtaken::default(),
            ambiguous: Throttle::default(),
        }
    }

    fn live(&self) -> MutexGuard<'_, BTreeMap<(SessionId, u32), Weak<Live>>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A handle to a session that the store has, and whether it is the only one here.
    pub(super) fn hold(
        self: &Arc<Self>,
        key: SessionKey,
        foreign: Option<String>,
        record: SessionRecord,
    ) -> (Session, bool) {
        let name = (record.id, record.renewals);
        let mut all = self.live();
        if let Some(live) = all.get(&name).and_then(Weak::upgrade) {
            drop(all);
            live.refresh(record);
            return (Session { live }, false);
        }
        // Who holds it as it was before a logon holds the past of it.
        let past = all.range((record.id, 0)..name);
        let past: Vec<_> = past.filter_map(|(_, live)| live.upgrade()).collect();
        let current = match past.last() {
            Some(live) => live.current.clone(),
            None => Arc::new(Mutex::new(key)),
        };
        let live = Arc::new(Live::new(key, current, foreign, record, self));
        all.insert(name, Arc::downgrade(&live));
        let newest = all.range(name..=(name.0, u32::MAX)).count() == 1;
        drop(all);
        if newest {
            *live.current() = key;
        }
        for lineage in past.iter().filter_map(|live| live.renewed()) {
            self.pages().for_each(|pages| pages.renewed(lineage));
        }
        (Session { live }, true)
    }

    /// The pages of the servers that have these sessions.
    pub(super) fn pages(&self) -> impl Iterator<Item = Arc<dyn SessionPages>> + use<> {
        let pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        pages
            .clone()
            .into_iter()
            .filter_map(|pages| pages.upgrade())
    }

    pub(super) fn add_pages(&self, pages: Weak<dyn SessionPages>) {
        let mut all = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|pages| pages.strong_count() > 0);
        all.push(pages);
    }

    /// Everything of one session that somebody holds, from before its logons too.
    fn all_of(&self, id: SessionId) -> Vec<Arc<Live>> {
        let live = self.live();
        let all = live.range((id, 0)..=(id, u32::MAX));
        all.filter_map(|(_, live)| live.upgrade()).collect()
    }

    /// Ends what this process holds of a session. Returns whether that was anything.
    pub(super) fn close(&self, id: SessionId) -> bool {
        let all = self.all_of(id);
        all.iter().filter(|live| live.end()).count() > 0
    }

    /// Ends a session that the store has lost, as it was up to this logon: a later one, of
    /// which the store may know, is another matter.
    pub(super) fn close_lost(&self, lost: &Live) {
        let all = self.all_of(lost.id).into_iter();
        for live in all.filter(|live| live.renewals <= lost.renewals) {
            live.end();
        }
    }

    /// Ends what this process holds of each session of which this is true. Returns whether
    /// there was any.
    pub(super) fn close_where(&self, is: impl Fn(&Live) -> bool) -> bool {
        let all = self.all();
        let own = all.iter().filter(|live| is(live));
        own.filter(|live| self.close(live.id)).count() > 0
    }

    /// The sessions that have open sockets, be they of before a logon.
    pub(super) fn with_sockets(&self) -> Vec<Arc<Live>> {
        let mut all = self.all();
        all.retain(|live| live.has_sockets());
        all
    }

    /// Whether this session has open sockets, be they of before a logon.
    pub(super) fn has_sockets(&self, id: SessionId) -> bool {
        self.all_of(id).iter().any(|live| live.has_sockets())
    }

    /// Every session that somebody in this process holds.
    fn all(&self) -> Vec<Arc<Live>> {
        self.live().values().filter_map(Weak::upgrade).collect()
    }

    #[cfg(test)]
    pub(super) fn held_count(&self) -> usize {
        self.live().len()
    }

    /// The last holder of a session is gone.
    pub(super) fn forget(&self, id: SessionId, renewals: u32) {
        let mut live = self.live();
        // Somebody may have found it again meanwhile.
        if live
            .get(&(id, renewals))
            .is_some_and(|known| known.strong_count() == 0)
        {
            live.remove(&(id, renewals));
        }
    }

    pub(super) fn keep(self: &Arc<Self>) {
        self.keeper.start(self);
    }

    pub(super) fn keeper(&self) -> &Keeper {
        &self.keeper
    }

    /// Lets the idle time of a session begin anew, beside whoever asks.
    pub(super) fn touch_later(self: &Arc<Self>, key: SessionKey) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let inner = self.clone();
        runtime.spawn(async move {
            let touched = inner.store.touch(key, inner.limits.idle);
            if let Err(error) = inner.in_time(touched).await {
                let error = format_args!("{error:#}");
                tracing::warn!(%error, "the idle time of a session did not start again");
            }
        });
    }

    /// Waits for the store, as long as that may take.
    pub(super) async fn in_time<T>(
        &self,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, SessionError> {
        match late::within(self.limits.lookup_timeout, pin!(call)).await {
            Ok(result) => Ok(result?),
            Err(_) => Err(SessionError::TimedOut),
        }
    }
}
