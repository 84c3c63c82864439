//! Notices that close connections on every server.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::close::{Close, CloseCode};
use crate::hub::Hub;
use crate::log::shared::{NoticeKind, Repeat};
use crate::log::{TopicName, random_number};
use crate::socket::ConnectionShared;
use crate::topic::{SharedLog, TopicKey};

/// How long a notice is repeated if the log has lost it. Later, it would rather close connections that
/// were opened meanwhile.
const REPEATED: Duration = Duration::from_secs(10);

/// Notices of this server that it remembers, and of all servers that it recognizes as repeated.
const REMEMBERED: usize = 256;

/// The last notices.
#[derive(Default, Debug)]
pub(in crate::hub) struct Disconnects(Mutex<LastNotices>);

#[derive(Default, Debug)]
struct LastNotices {
    /// Those of this server, the oldest first.
    own: VecDeque<(Instant, DisconnectNotice)>,
    /// The ids of those that were applied.
    applied: VecDeque<u64>,
}

impl Disconnects {
    fn lock(&self) -> MutexGuard<'_, LastNotices> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remember(&self, notice: &DisconnectNotice) {
        push_back(&mut self.lock().own, (Instant::now(), notice.clone()));
    }

    /// Whether a notice was not applied before.
    fn is_new(&self, notice: &DisconnectNotice) -> bool {
        if notice.id == 0 {
            // Servers of earlier versions give none, and repeat nothing.
            return true;
        }
        let applied = &mut self.lock().applied;
        let is_new = !applied.contains(&notice.id);
        if is_new {
            push_back(applied, notice.id);
        }
        is_new
    }

    /// The notices of this server that are not too old to be repeated.
    fn recent(&self) -> Vec<DisconnectNotice> {
        let last = self.lock();
        let own = last.own.iter();
        let own = own.filter(|(at, _)| at.elapsed() < REPEATED);
        own.map(|(_, notice)| notice.clone()).collect()
    }
}

/// Adds an element, and removes the oldest past the limit.
fn push_back<T>(queue: &mut VecDeque<T>, last: T) {
    queue.push_back(last);
    if queue.len() > REMEMBERED {
        queue.pop_front();
    }
}

/// The connections to close.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Target {
    User(String),
    /// The subscribers of a declared topic.
    Topic(String),
}

/// Closes connections on every server.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct DisconnectNotice {
    /// Recognizes a notice that is repeated.
    #[serde(default)]
    id: u64,
    target: Target,
    code: u16,
    text: String,
}

impl DisconnectNotice {
    fn new(target: Target, close: &Close) -> Self {
        Self {
            id: random_number().max(1),
            target,
            code: close.code().get(),
            text: close.text().to_owned(),
        }
    }

    pub(super) fn read(content: &[u8]) -> Option<Self> {
        serde_json::from_slice(content).ok()
    }

    fn close(&self) -> Close {
        let code = CloseCode::new(self.code).unwrap_or(CloseCode::POLICY);
        Close::new(code, self.text.clone())
    }
}

impl Hub {
    /// Closes the connections of a user on all servers that share the log. Returns `None` if this
    /// server shares none.
    pub(in crate::hub) fn disconnect_user_everywhere(
        &self,
        user: &str,
        close: &Close,
    ) -> Option<usize> {
        let target = Target::User(user.to_owned());
        let open = || self.count_open(|it| it.is_of_user(user));
        self.notify(DisconnectNotice::new(target, close), open)
    }

    /// Same as [`disconnect_user_everywhere`](Self::disconnect_user_everywhere), for the subscribers
    /// of a declared topic. Others are topics of this process.
    pub(in crate::hub) fn disconnect_topic_everywhere(
        &self,
        topic: &TopicKey,
        close: &Close,
    ) -> Option<usize> {
        let TopicKey::Declared(name) = topic else {
            return None;
        };
        let target = Target::Topic(name.as_str().to_owned());
        let open = || {
            let ids = self.topics().subscribers(topic).into_iter();
            let found = ids.filter_map(|id| self.find_connection(id));
            found.filter(|connection| connection.is_open()).count()
        };
        self.notify(DisconnectNotice::new(target, close), open)
    }

    /// Queues a notice, behind what was pushed before. If the log does not take it, at least the
    /// connections of this server are closed.
    fn notify(&self, notice: DisconnectNotice, count: impl FnOnce() -> usize) -> Option<usize> {
        let shared = self.topics().shared()?;
        let open = count();
        self.inner.disconnects.remember(&notice);
        self.push_disconnect(shared, notice);
        Some(open)
    }

    fn push_disconnect(&self, shared: &SharedLog, notice: DisconnectNotice) {
        let content = serde_json::to_vec(&notice).expect("texts and numbers are JSON");
        let hub = std::sync::Arc::downgrade(&self.inner);
        let refused = move || {
            if let Some(inner) = hub.upgrade() {
                Self { inner }.disconnect_once(&notice);
            }
        };
        // Repeated later, it could close connections that were opened meanwhile.
        let repeat = Repeat::Never(Box::new(refused));
        let node = shared.node();
        node.push_notice(NoticeKind::Disconnect, content.into(), repeat);
    }

    /// Queues the last notices of this server again: the log may have lost them. A server that has had
    /// one skips it.
    pub(super) fn repeat_disconnects(&self) {
        let Some(shared) = self.topics().shared() else {
            return;
        };
        for notice in self.inner.disconnects.recent() {
            self.push_disconnect(shared, notice);
        }
    }

    /// Closes the connections of this server, unless a copy of the notice has done it.
    pub(super) fn disconnect_once(&self, notice: &DisconnectNotice) {
        if !self.inner.disconnects.is_new(notice) {
            return;
        }
        let close = notice.close();
        match &notice.target {
            Target::User(user) => {
                self.close_all(&close, |connection| connection.is_of_user(user));
            }
            Target::Topic(name) => {
                let key = TopicKey::Declared(TopicName::new(name.clone()));
                self.close_each(self.topics().subscribers(&key), &close);
            }
        }
    }

    /// Closes the connections that have a session: whether it has ended is not known any more.
    pub(super) fn fail_closed(&self) {
        let reason = "the server cannot reach its cluster";
        let close = Close::new(CloseCode::TRY_AGAIN_LATER, reason);
        let closed = self.close_all(&close, ConnectionShared::has_session);
        tracing::error!(
            closed,
            "the log of the cluster is unavailable for `fail_closed_after`: connections with a \
             session are closed, and refused until it is back"
        );
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[test]
    fn a_notice_is_read_as_it_was_written_and_others_are_not() {
        let close = Close::new(CloseCode::POLICY, "out");
        let notice = DisconnectNotice::new(Target::User("ada".to_owned()), &close);
        let written = serde_json::to_vec(&notice).unwrap();
        let read = DisconnectNotice::read(&written).unwrap();
        assert_eq!((&read, read.close()), (&notice, close));
        let later = br#"{"target":{"planet":"mars"},"code":1008,"text":""}"#;
        assert_eq!(DisconnectNotice::read(later), None);
        assert_eq!(DisconnectNotice::read(b""), None);
    }

    fn notice(id: u64) -> DisconnectNotice {
        let target = Target::User("ada".to_owned());
        let notice = DisconnectNotice::new(target, &Close::NORMAL);
        DisconnectNotice { id, ..notice }
    }

    #[test]
    fn the_last_notices_are_recognized_whatever_earlier_versions_send_between_them() {
        let disconnects = Disconnects::default();
        let last = REMEMBERED as u64;
        for id in 1..=last {
            assert!(disconnects.is_new(&notice(id)));
            // They have no ids.
            assert!(disconnects.is_new(&notice(0)));
        }
        for id in 1..=last {
            assert!(!disconnects.is_new(&notice(id)), "{id}");
        }
        assert!(disconnects.is_new(&notice(last + 1)));
        assert!(disconnects.is_new(&notice(1)), "the oldest is forgotten");
    }

    #[tokio::test(start_paused = true)]
    async fn the_last_notices_of_this_server_are_repeated_for_ten_seconds() {
        let disconnects = Disconnects::default();
        disconnects.remember(&notice(1));
        advance(REPEATED / 2).await;
        disconnects.remember(&notice(2));
        assert_eq!(disconnects.recent(), [notice(1), notice(2)]);
        advance(REPEATED / 2).await;
        assert_eq!(disconnects.recent(), [notice(2)]);
        for id in 0..2 * REMEMBERED as u64 {
            disconnects.remember(&notice(id));
        }
        assert_eq!(disconnects.recent().len(), REMEMBERED);
    }
}
