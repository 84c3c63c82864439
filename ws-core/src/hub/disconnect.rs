//! Closes connections from outside: one, a user's, or those of a topic.

use std::collections::HashSet;
use std::sync::Arc;

use super::Hub;
use crate::close::{Close, CloseCause};
use crate::id::{ConnectionId, ConnectionKind};
use crate::socket::ConnectionShared;
use crate::topic::AsTopic;

impl Hub {
    /// Closes one connection of this server, after the messages that are queued for it. Returns
    /// whether it was open.
    ///
    /// ```
    /// use ws_server::prelude::*;
    /// use ws_server::socket::ConnectionId;
    ///
    /// /// A moderator removes a connection.
    /// fn kick(hub: &Hub, id: ConnectionId) -> bool {
    ///     hub.disconnect(id, Close::new(CloseCode::POLICY, "removed by a moderator"))
    /// }
    /// ```
    pub fn disconnect(&self, id: ConnectionId, close: impl Into<Close>) -> bool {
        self.close_each([id], &close.into()) > 0
    }

    /// Closes the connections of all current sessions of a user, after the messages that are queued
    /// for them; if several servers share a log, on all of them. Returns how many were open on this
    /// server. While the log is unavailable, only those of this server are closed, after
    /// `publish_timeout`.
    ///
    /// The sessions stay valid: to end them as well, use
    /// [`Sessions::end_user`](crate::session::Sessions::end_user).
    ///
    /// ```
    /// use ws_server::prelude::*;
    ///
    /// let hub = Hub::default();
    /// assert_eq!(hub.disconnect_user("ada", Close::GOING_AWAY), 0);
    /// ```
    pub fn disconnect_user(&self, user: &str, close: impl Into<Close>) -> usize {
        let close = close.into();
        #[cfg(feature = "cluster")]
        if let Some(open) = self.disconnect_user_everywhere(user, &close) {
            return open;
        }
        self.close_all(&close, |connection| connection.is_of_user(user))
    }

    /// Closes the connections whose client or handler is subscribed to a topic, and the sockets of
    /// subscribed pages, after the messages that are queued for them. Returns how many were open. The
    /// connections of a declared topic are closed on all servers that share its log, as
    /// [`disconnect_user`](Self::disconnect_user) describes. A page stays subscribed and reconnects,
    /// unless its route refuses that: end its subscription with
    /// [`Page::unsubscribe`](crate::page::Page::unsubscribe).
    ///
    /// ```
    /// use ws_server::prelude::*;
    ///
    /// let hub = Hub::default();
    /// let auction: Topic<String> = Topic::local("auction/7");
    /// assert_eq!(hub.disconnect_topic(&auction, Close::NORMAL), 0);
    /// ```
    pub fn disconnect_topic(&self, topic: impl AsTopic, close: impl Into<Close>) -> usize {
        let (key, close) = (topic.as_topic_ref().key, close.into());
        #[cfg(feature = "cluster")]
        if let Some(open) = self.disconnect_topic_everywhere(&key, &close) {
            return open;
        }
        let ids: HashSet<_> = self.inner.topics.subscribers(&key);
        self.close_each(ids, &close)
    }

    /// Closes the connections with these ids. Returns how many were open.
    pub(super) fn close_each(
        &self,
        ids: impl IntoIterator<Item = ConnectionId>,
        close: &Close,
    ) -> usize {
        let ids = ids.into_iter();
        close_connections(ids.filter_map(|id| self.find_connection(id)), close)
    }

    pub(super) fn find_connection(&self, id: ConnectionId) -> Option<Arc<ConnectionShared>> {
        let kinds = [ConnectionKind::Socket, ConnectionKind::PageHandler];
        let mut kinds = kinds.into_iter();
        kinds.find_map(|kind| self.connections(kind).get(&id)?.upgrade())
    }

    #[cfg(feature = "cluster")]
    pub(super) fn count_open(&self, is_wanted: impl Fn(&ConnectionShared) -> bool) -> usize {
        let kinds = [ConnectionKind::Socket, ConnectionKind::PageHandler];
        let all = kinds
            .into_iter()
            .flat_map(|kind| self.open_connections(kind));
        all.filter(|it| it.is_open() && is_wanted(it)).count()
    }

    pub(super) fn close_all(
        &self,
        close: &Close,
        is_wanted: impl Fn(&ConnectionShared) -> bool,
    ) -> usize {
        let mut closed = 0;
        for kind in [ConnectionKind::Socket, ConnectionKind::PageHandler] {
            let all = self.open_connections(kind).into_iter();
            closed += close_connections(all.filter(|connection| is_wanted(connection)), close);
        }
        closed
    }
}

/// Returns how many of these connections were open.
fn close_connections(
    connections: impl Iterator<Item = Arc<ConnectionShared>>,
    close: &Close,
) -> usize {
    connections
        .filter(|connection| connection.close(close, CloseCause::ServerClosed))
        .count()
}
