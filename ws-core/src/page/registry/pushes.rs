//! Pushes to one page, to those of a session or a user, and to all.

use std::sync::Arc;

use super::Pages;
use crate::page::stream::{Stream, logon_close};
use crate::session::{Session, SessionGeneration, SessionId};
use crate::topic::Pushed;
use crate::wire::Push;

#[cfg(feature = "cluster")]
mod shared;

#[cfg(feature = "cluster")]
pub(super) use shared::{Read, read};

/// The pages that get a push.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum PushTo<'a> {
    /// The page with this id.
    Page(&'a str),
    /// The pages of the session with this public id.
    Session(SessionId),
    /// The pages of all current sessions of a user.
    User(&'a str),
    All,
}

impl Pages {
    /// Pushes to these pages, on all servers that share the log.
    pub(crate) fn push(&self, to: PushTo<'_>, push: &Push) -> Pushed {
        #[cfg(feature = "cluster")]
        if let Some(shared) = self.topics.shared() {
            return self.push_shared(shared, to, 0, push);
        }
        Pushed::done(self.deliver(self.streams(to), push))
    }

    /// Pushes to the pages of a session. Only other servers need its public id.
    #[cfg_attr(
        not(feature = "cluster"),
        expect(unused_variables, reason = "there are no other servers")
    )]
    pub(super) fn push_to_session(
        &self,
        session: SessionGeneration,
        id: &dyn Fn() -> SessionId,
        push: &Push,
    ) -> Pushed {
        #[cfg(feature = "cluster")]
        if self.topics.shared().is_some() {
            return self.push(PushTo::Session(id()), push);
        }
        Pushed::done(self.deliver(self.streams_of_session(session), push))
    }

    /// Pushes to one page, for this session.
    pub(in crate::page) fn push_to(&self, id: &Arc<str>, session: &Session, push: &Push) -> Pushed {
        let stream = self.find_or_reopen(id, session);
        #[cfg(feature = "cluster")]
        if let Some(shared) = self.topics.shared() {
            return self.push_shared(shared, PushTo::Page(id), session.renewals(), push);
        }
        let accepted = stream.is_some_and(|stream| stream.push(push));
        self.relieve();
        Pushed::done(accepted.into())
    }

    /// The number of these pages on this server.
    pub(crate) fn count_of(&self, to: PushTo<'_>) -> usize {
        match to {
            PushTo::All => self.count(),
            to => self.streams(to).len(),
        }
    }

    /// The stream of a page, for this session only: the user may have changed since the page was
    /// opened.
    pub(in crate::page) fn find_or_reopen(
        &self,
        id: &Arc<str>,
        session: &Session,
    ) -> Option<Arc<Stream>> {
        let stream = self.find(id)?;
        if stream.belongs_to_another_visitor(session) {
            // The handler belongs to the earlier visitor too: a new stream begins.
            self.end(&stream, &logon_close());
            return self.open_at(id, session, stream.network(), None).ok();
        }
        self.rebase(&stream, session);
        if let Some((before, follow_up)) = stream.adopt(session) {
            self.reindex(&stream, &before, session);
            self.follow_up(&stream, follow_up);
        }
        Some(stream)
    }

    /// The streams of these pages on this server.
    fn streams(&self, to: PushTo<'_>) -> Vec<Arc<Stream>> {
        match to {
            PushTo::Page(id) => self.find(id).into_iter().collect(),
            PushTo::Session(id) => {
                let index = self.index();
                let generation = index.public_ids.get(&id);
                let pages = generation.and_then(|it| index.sessions.get(it));
                pages.cloned().unwrap_or_default()
            }
            PushTo::User(user) => self.streams_of_user(user),
            PushTo::All => self.index().pages.values().cloned().collect(),
        }
    }

    fn streams_of_user(&self, user: &str) -> Vec<Arc<Stream>> {
        let index = self.index();
        let sessions = index.users.get(user).into_iter().flatten();
        let pages = sessions.filter_map(|session| index.sessions.get(session));
        let pages: Vec<_> = pages.flatten().cloned().collect();
        drop(index);
        // A session that a logon has replaced no longer belongs to the user.
        let current = |stream: &Arc<Stream>| stream.session().is_current();
        pages.into_iter().filter(current).collect()
    }
}
