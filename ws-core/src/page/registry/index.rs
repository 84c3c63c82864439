//! Every page of a server, by its id, its session, its user and its address.

use std::collections::HashMap;
use std::sync::Arc;

use super::anonymous::AnonymousPages;
use super::too_many::TooMany;
use crate::address::ClientNetwork;
use crate::limits::PageLimits;
use crate::page::Stream;
use crate::session::{Session, SessionGeneration, SessionId};

/// Every stream, with its indexes.
#[derive(Default)]
pub(super) struct PageIndex {
    pub(super) pages: HashMap<Arc<str>, Arc<Stream>>,
    /// Oldest first.
    pub(super) sessions: HashMap<SessionGeneration, Vec<Arc<Stream>>>,
    /// The sessions by their public ids.
    pub(super) public_ids: HashMap<SessionId, SessionGeneration>,
    pub(super) users: HashMap<Box<str>, Vec<SessionGeneration>>,
    /// By the address from which they began, oldest first.
    addresses: HashMap<ClientNetwork, Vec<Arc<Stream>>>,
    pub(super) anonymous: AnonymousPages,
}

impl PageIndex {
    pub(super) fn add_to_session(&mut self, stream: &Arc<Stream>, session: &Session) {
        let generation = session.generation();
        let pages = self.sessions.entry(generation).or_default();
        if pages.is_empty() {
            self.public_ids.insert(session.id(), generation);
            if let Some(user) = session.user() {
                self.users.entry(user.into()).or_default().push(generation);
            }
        }
        pages.push(stream.clone());
    }

    /// Returns whether the stream was registered.
    pub(super) fn remove_from_session(&mut self, stream: &Arc<Stream>, session: &Session) -> bool {
        let generation = session.generation();
        let Some(pages) = self.sessions.get_mut(&generation) else {
            return false;
        };
        let Some(at) = pages.iter().position(|it| Arc::ptr_eq(it, stream)) else {
            return false;
        };
        pages.remove(at);
        if !pages.is_empty() {
            return true;
        }
        self.sessions.remove(&generation);
        self.public_ids.remove(&session.id());
        if let Some(user) = session.user()
            && let Some(sessions) = self.users.get_mut(user)
        {
            sessions.retain(|it| *it != generation);
            if sessions.is_empty() {
                self.users.remove(user);
            }
        }
        true
    }

    pub(super) fn remove(&mut self, stream: &Arc<Stream>) {
        let is_it = |found: &Arc<Stream>| Arc::ptr_eq(found, stream);
        if self.pages.get(stream.id()).is_some_and(is_it) {
            self.pages.remove(stream.id());
        }
        self.forget(stream);
    }

    /// Removes the page from all indexes but that of ids.
    pub(super) fn forget(&mut self, stream: &Arc<Stream>) {
        self.remove_from_session(stream, &stream.session());
        self.remove_address(stream);
        self.anonymous.remove(stream);
    }

    /// Counts the page under this address, unless it is counted under another one already. Returns
    /// the pages that must end to make room; they are no longer counted.
    pub(super) fn add_address(
        &mut self,
        stream: &Arc<Stream>,
        address: Option<ClientNetwork>,
        max: usize,
    ) -> Result<Vec<Arc<Stream>>, TooMany> {
        let Some(address) = address.filter(|_| stream.network().is_none()) else {
            return Ok(Vec::new());
        };
        let of_address = self.addresses.get(&address);
        let oldest = oldest(of_address, max, TooMany::OfAddress)?;
        let evicted: Vec<_> = oldest.into_iter().collect();
        for stream in &evicted {
            self.remove(stream);
        }
        let is_listed = self
            .pages
            .get(stream.id())
            .is_some_and(|it| Arc::ptr_eq(it, stream));
        let is_listed = is_listed && stream.is_anonymous();
        if is_listed {
            self.anonymous.remove(stream);
        }
        stream.set_address(address);
        if is_listed {
            self.anonymous.insert(stream);
        }
        let pages = self.addresses.entry(address).or_default();
        pages.push(stream.clone());
        Ok(evicted)
    }

    fn remove_address(&mut self, stream: &Arc<Stream>) {
        let Some(address) = stream.network() else {
            return;
        };
        if let Some(pages) = self.addresses.get_mut(&address) {
            pages.retain(|it| !Arc::ptr_eq(it, stream));
            if pages.is_empty() {
                self.addresses.remove(&address);
            }
        }
    }

    /// Makes room for one more page of this session, from this address. Returns the pages that must
    /// end; they are no longer counted. If there is no room, nothing changes.
    pub(super) fn evict_for(
        &mut self,
        session: &Session,
        address: Option<ClientNetwork>,
        limits: &PageLimits,
    ) -> Result<Vec<Arc<Stream>>, TooMany> {
        let of_session = self.sessions.get(&session.generation());
        let of_session = oldest(of_session, limits.per_session, TooMany::OfSession)?;
        let of_address = address.and_then(|address| self.addresses.get(&address));
        let of_address = oldest(of_address, limits.per_address, TooMany::OfAddress)?;
        // A page that is in both lists makes room in both.
        let of_address =
            of_address.filter(|_| of_session.as_ref().is_none_or(|it| it.network() != address));
        let makes_room = of_address.as_ref().is_some_and(|it| it.is_anonymous());
        let anonymous = if session.is_of_page() && !makes_room {
            self.anonymous.victim(address, limits.anonymous)?
        } else {
            None
        };
        let evicted = of_session.into_iter().chain(of_address).chain(anonymous);
        let evicted: Vec<_> = evicted.collect();
        for stream in &evicted {
            self.remove(stream);
        }
        Ok(evicted)
    }

    /// Whether there is no entry of any page.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        let all = self.pages.is_empty() && self.addresses.is_empty();
        let all = all && self.anonymous.is_empty();
        let sessions = self.sessions.is_empty() && self.public_ids.is_empty();
        all && sessions && self.users.is_empty()
    }
}

/// Returns the page that must end to make room for one more, if any: the oldest that is not in use.
/// If all of them are in use, returns the error.
fn oldest(
    pages: Option<&Vec<Arc<Stream>>>,
    max: usize,
    error: TooMany,
) -> Result<Option<Arc<Stream>>, TooMany> {
    let pages = pages.map_or(&[][..], Vec::as_slice);
    if pages.len() < max {
        return Ok(None);
    }
    let oldest = pages.iter().find(|stream| !stream.is_in_use());
    oldest.cloned().map(Some).ok_or(error)
}
