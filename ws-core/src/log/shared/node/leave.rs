//! The end of a node that does not die.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use super::{Node, NodeShared};
use crate::log::name::Lane;
use crate::log::position::Position;
use crate::log::shared::append::AppendError;
use crate::log::shared::entry::{Incarnation, NoticeKind, Record};

/// The outcome of a record.
type Outcome = oneshot::Receiver<Result<Position, AppendError>>;

impl Node {
    /// Ends the heartbeats, waits until everything that was queued is in the log, and notifies the
    /// other nodes: the members of this one leave at once. Gives up at the deadline. Later calls wait
    /// for the first one.
    pub(crate) async fn leave(&self, deadline: Instant) {
        let shared = &self.shared;
        if shared.is_leaving.swap(true, Ordering::Relaxed) {
            let mut left = shared.has_left.subscribe();
            // At the deadline, the first one gives up too.
            let _ = timeout_at(deadline, left.wait_for(|left| *left)).await;
            return;
        }
        let _left = Leaving(shared);
        let left = async {
            let lanes = shared.options.lanes.iter();
            let cleared: Vec<_> = lanes
                .map(|lane| shared.push_last(lane, Record::Cleared))
                .collect();
            for outcome in cleared {
                outcome.await.ok()?.ok()?;
            }
            let leaving = Record::Notice {
                kind: NoticeKind::Leaving,
                content: Bytes::new(),
            };
            shared.push_last(Lane::CONTROL, leaving).await.ok()?.ok()
        };
        if !matches!(timeout_at(deadline, left).await, Ok(Some(_))) {
            tracing::warn!("the server ends before everything that it has queued is in the log");
        }
    }
}

/// The first call, until it ends or is dropped.
struct Leaving<'n>(&'n NodeShared);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        self.0.has_left.send_replace(true);
    }
}

impl NodeShared {
    /// Queues a record behind all others of a lane.
    fn push_last(&self, lane: Lane, record: Record) -> Outcome {
        let (sender, outcome) = oneshot::channel();
        let ticket = Box::new(move |outcome| {
            // Without a receiver the deadline has passed.
            let _ = sender.send(outcome);
        });
        self.push_record(lane, record, ticket);
        outcome
    }

    /// A node has left: the same as its death, without the wait for its heartbeats.
    pub(super) fn left(&self, node: Incarnation) {
        if self.liveness().bury(node) {
            self.reports.remove(node);
            self.deaths().push(node);
            self.apply.died(node);
        }
    }
}
