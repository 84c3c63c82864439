//! Every page of a server, by its id, by its session and by its user.

use std::collections::HashMap;
use std::sync::Arc;

use crate::page::Stream;
use crate::session::{Lineage, Session};

/// Every stream, and the ways to it.
#[derive(Default)]
pub(super) struct Known {
    pub(super) pages: HashMap<Arc<str>, Arc<Stream>>,
    /// Oldest first.
    pub(super) sessions: HashMap<Lineage, Vec<Arc<Stream>>>,
    pub(super) users: HashMap<Box<str>, Vec<Lineage>>,
}

/// A session has as many pages as it may.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct TooMany;

impl Known {
    pub(super) fn join(&mut self, stream: &Arc<Stream>, session: &Session) {
        let lineage = session.lineage();
        let pages = self.sessions.entry(lineage).or_default();
        if let (true, Some(user)) = (pages.is_empty(), session.user()) {
            self.users.entry(user.into()).or_default().push(lineage);
        }
        pages.push(stream.clone());
    }

    /// Returns whether it was there.
    pub(super) fn leave(&mut self, stream: &Arc<Stream>, session: &Session) -> bool {
        let lineage = session.lineage();
        let Some(pages) = self.sessions.get_mut(&lineage) else {
            return false;
        };
        let Some(at) = pages.iter().position(|it| Arc::ptr_eq(it, stream)) else {
            return false;
        };
        pages.remove(at);
        if !pages.is_empty() {
            return true;
        }
        self.sessions.remove(&lineage);
        if let Some(user) = session.user()
            && let Some(sessions) = self.users.get_mut(user)
        {
            sessions.retain(|it| *it != lineage);
            if sessions.is_empty() {
                self.users.remove(user);
            }
        }
        true
    }

    pub(super) fn forget(&mut self, stream: &Arc<Stream>) {
        let is_it = |found: &Arc<Stream>| Arc::ptr_eq(found, stream);
        if self.pages.get(stream.id()).is_some_and(is_it) {
            self.pages.remove(stream.id());
        }
        self.leave(stream, &stream.session());
    }

    /// Makes room for one more page of this session; gives the one that is to end for it, and
    /// that is no longer counted.
    pub(super) fn room_for(
        &mut self,
        session: &Session,
        most: usize,
    ) -> Result<Option<Arc<Stream>>, TooMany> {
        let pages = self.sessions.get(&session.lineage());
        let pages = pages.map_or(&[][..], Vec::as_slice);
        if pages.len() < most {
            return Ok(None);
        }
        let oldest = pages.iter().find(|stream| !stream.is_in_use());
        let oldest = oldest.cloned().ok_or(TooMany)?;
        self.forget(&oldest);
        Ok(Some(oldest))
    }

    /// Whether nothing is kept of any page.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.pages.is_empty() && self.sessions.is_empty() && self.users.is_empty()
    }
}
