//! Notices: records that every node applies, and that are queued again until they are accepted.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use tokio::time::Instant;

use super::{Node, NodeShared, Ticket};
use crate::log::name::Lane;
use crate::log::position::Position;
use crate::log::shared::append::{AppendError, Bounded};
use crate::log::shared::entry::{NoticeKind, Record};
use crate::throttle::LogThrottle;

/// Notices that wait for the log. Later ones are lost.
const MAX_WAITING: usize = 8_192;

/// What to do if the log does not take a notice in time.
pub(crate) enum Repeat {
    /// Queues it again, for as long as the node exists.
    UntilAccepted,
    /// Calls this instead.
    Never(Box<dyn FnOnce() + Send>),
}

/// The notices of a node.
#[derive(Default)]
pub(super) struct Notices {
    waiting: AtomicUsize,
    throttle: LogThrottle,
}

impl Node {
    /// Queues a notice for all nodes, this one included.
    pub(crate) fn push_notice(&self, kind: NoticeKind, content: Bytes, repeat: Repeat) {
        let notices = &self.shared.notices;
        if notices.waiting.fetch_add(1, Ordering::Relaxed) >= MAX_WAITING {
            notices.waiting.fetch_sub(1, Ordering::Relaxed);
            if let Some(count) = notices.throttle.count() {
                let limit = MAX_WAITING;
                tracing::error!(limit, count, "notices for the other servers are lost");
            }
            if let Repeat::Never(refused) = repeat {
                refused();
            }
            return;
        }
        self.shared.queue_notice(kind, content, repeat);
    }
}

impl Node {
    /// Queues a notice for all nodes, this one included, and reports the outcome: it is not queued
    /// again. The caller bounds the number of those that wait.
    pub(crate) fn push_notice_once(&self, kind: NoticeKind, content: Bytes, ticket: Ticket) {
        let record = Record::Notice { kind, content };
        self.shared.push_record(Lane::CONTROL, record, ticket);
    }

    /// Same as [`push_notice_once`](Self::push_notice_once), in any lane.
    ///
    /// # Errors
    ///
    /// [`AppendError::Full`] if the queue of the lane bounds it and is full; then the ticket gets no
    /// outcome.
    pub(crate) fn push_notice_in(
        &self,
        lane: Lane,
        (kind, content): (NoticeKind, Bytes),
        bounded: Bounded,
        ticket: Ticket,
    ) -> Result<(), AppendError> {
        let lane = self.shared.lane(lane);
        let record = Record::Notice { kind, content };
        let pushed = lane
            .appender()
            .push(record, ticket, bounded, Instant::now());
        pushed.map_err(|(_, error)| error)?;
        lane.queued.notify_one();
        Ok(())
    }
}

impl NodeShared {
    fn queue_notice(self: &Arc<Self>, kind: NoticeKind, content: Bytes, repeat: Repeat) {
        let this = Arc::downgrade(self);
        let record = Record::Notice {
            kind,
            content: content.clone(),
        };
        // Called after `publish_timeout` at the latest, without any lock.
        let ticket = Box::new(move |outcome: Result<Position, AppendError>| {
            let Some(this) = this.upgrade() else {
                return;
            };
            match (outcome, repeat) {
                (Err(_), Repeat::UntilAccepted) => {
                    this.queue_notice(kind, content, Repeat::UntilAccepted);
                    return;
                }
                (Err(_), Repeat::Never(refused)) => refused(),
                (Ok(_), _) => {}
            }
            this.notices.waiting.fetch_sub(1, Ordering::Relaxed);
        });
        self.push_record(Lane::CONTROL, record, ticket);
    }
}
