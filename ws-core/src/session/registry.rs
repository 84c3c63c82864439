//! The sessions that this process holds.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use super::current_key::CurrentKey;
use super::live::Live;
use super::server::SessionServer;
use super::{Session, SessionGeneration, SessionId, SessionKey, SessionRecord};

/// Every session with a live handle, by id and number of renewals.
pub(super) struct Registry {
    live: Mutex<BTreeMap<(SessionId, u32), Weak<Live>>>,
    /// Sessions whose pages are subscribed to topics: held until that ends, even without a handle.
    held: Mutex<BTreeMap<SessionId, Arc<Live>>>,
    /// The server of the sessions.
    server: Weak<dyn SessionServer>,
    /// The longest time that a session may last.
    lifetime: Duration,
}

/// A handle to a session, and how it was obtained.
pub(super) struct AcquiredSession {
    pub(super) session: Session,
    /// Whether there was no other handle.
    pub(super) is_first: bool,
    /// Sessions that this one has just replaced.
    pub(super) renewed: Vec<SessionGeneration>,
}

impl Registry {
    pub(super) fn new(server: Weak<dyn SessionServer>, lifetime: Duration) -> Self {
        Self {
            live: Mutex::default(),
            held: Mutex::default(),
            server,
            lifetime,
        }
    }

    fn live(&self) -> MutexGuard<'_, BTreeMap<(SessionId, u32), Weak<Live>>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a handle to a session that the store has.
    pub(super) fn acquire(
        &self,
        key: SessionKey,
        foreign: Option<String>,
        record: SessionRecord,
    ) -> AcquiredSession {
        let id = (record.id, record.renewals);
        let mut all = self.live();
        if let Some(live) = all.get(&id).and_then(Weak::upgrade) {
            drop(all);
            live.refresh(record);
            return AcquiredSession {
                session: Session { live },
                is_first: false,
                renewed: Vec::new(),
            };
        }
        // A handle from before a logon refers to a session that the new one replaces. This one may
        // be from before a logon too, if its lookup took longer than the logon.
        let others = all.range((record.id, 0)..=(record.id, u32::MAX));
        let others: Vec<_> = others.filter_map(|(_, live)| live.upgrade()).collect();
        let current_key = match others.first() {
            Some(live) => live.current_key.clone(),
            None => Arc::new(CurrentKey::new(id.1, key)),
        };
        let server = self.server.clone();
        let live = Live::new(key, current_key, foreign, record, self.lifetime, server);
        let live = Arc::new(live);
        all.insert(id, Arc::downgrade(&live));
        drop(all);
        live.current_key.advance(id.1, key);
        if others.iter().any(|other| self.is_held(other)) {
            self.hold(live.id);
        }
        let (older, newer): (Vec<_>, Vec<_>) = others.iter().partition(|live| live.renewals < id.1);
        if !newer.is_empty() {
            live.mark_renewed();
        }
        AcquiredSession {
            session: Session { live },
            is_first: true,
            renewed: older
                .iter()
                .filter_map(|live| live.mark_renewed())
                .collect(),
        }
    }

    /// All live handles of one session, including those from before its logons.
    fn handles_of(&self, id: SessionId) -> Vec<Arc<Live>> {
        let live = self.live();
        let all = live.range((id, 0)..=(id, u32::MAX));
        all.filter_map(|(_, live)| live.upgrade()).collect()
    }

    /// Ends the handles of a session in this process. Returns whether any was still live.
    pub(super) fn close(&self, id: SessionId) -> bool {
        let all = self.handles_of(id);
        all.iter().filter(|live| live.end()).count() > 0
    }

    /// Ends a session that the store has lost, up to this logon. A later logon is not affected,
    /// since the store may still have its session.
    pub(super) fn close_lost(&self, lost: &Live) {
        self.close_up_to(lost.id, lost.renewals);
    }

    /// Ends the handles of a session, up to this logon.
    pub(super) fn close_up_to(&self, id: SessionId, renewals: u32) {
        let all = self.handles_of(id).into_iter();
        for live in all.filter(|live| live.renewals <= renewals) {
            live.end();
        }
    }

    /// Another server has renewed a session. Returns the sessions that it has just replaced here.
    #[cfg(feature = "cluster")]
    pub(super) fn renew(&self, now: SessionGeneration, key: SessionKey) -> Vec<SessionGeneration> {
        let all = self.handles_of(now.id).into_iter();
        let older: Vec<_> = all.filter(|live| live.renewals < now.renewals).collect();
        if let Some(live) = older.first() {
            live.current_key.advance(now.renewals, key);
        }
        let renewed = older.iter().filter_map(|live| live.mark_renewed());
        renewed.collect()
    }

    /// Ends every session in this process that matches. Returns whether there was any.
    pub(super) fn close_matching(&self, matches: impl Fn(&Live) -> bool) -> bool {
        let all = self.all();
        let matching = all.iter().filter(|live| matches(live));
        matching.filter(|live| self.close(live.id)).count() > 0
    }

    /// The sessions with open sockets, including those from before a logon, and those whose pages
    /// are subscribed.
    pub(super) fn in_use(&self) -> Vec<Arc<Live>> {
        let mut all = self.all();
        all.retain(|live| live.has_sockets() || self.is_held(live));
        all
    }

    fn held(&self) -> MutexGuard<'_, BTreeMap<SessionId, Arc<Live>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_held(&self, live: &Arc<Live>) -> bool {
        let held = self.held();
        held.get(&live.id).is_some_and(|it| Arc::ptr_eq(it, live))
    }

    /// Holds the latest handle of a session, until it is released.
    pub(super) fn hold(&self, id: SessionId) {
        let latest = self.handles_of(id).into_iter().next_back();
        let earlier = latest.and_then(|live| self.held().insert(id, live));
        drop(earlier);
    }

    /// Ends [`hold`](Self::hold).
    pub(super) fn release(&self, id: SessionId) {
        // Dropped after the lock: the last handle of a session removes it from the registry.
        let released = self.held().remove(&id);
        drop(released);
    }

    /// Whether this session has open sockets, including those from before a logon.
    pub(super) fn has_sockets(&self, id: SessionId) -> bool {
        self.handles_of(id).iter().any(|live| live.has_sockets())
    }

    /// Every session with a handle in this process.
    fn all(&self) -> Vec<Arc<Live>> {
        self.live().values().filter_map(Weak::upgrade).collect()
    }

    pub(super) fn handle_count(&self) -> usize {
        self.live().len()
    }

    /// Removes a session whose last handle is dropped.
    pub(super) fn forget(&self, id: SessionId, renewals: u32) {
        let mut live = self.live();
        // A request may have loaded it again in the meantime.
        if live
            .get(&(id, renewals))
            .is_some_and(|known| known.strong_count() == 0)
        {
            live.remove(&(id, renewals));
        }
    }
}
