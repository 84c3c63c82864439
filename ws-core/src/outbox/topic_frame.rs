//! Pushes frames of topics to an outbox.

use std::io;
use std::task::Waker;

use super::make_room::{Capacity, make_room};
use super::queue::{DropReason, FrameKind, IfBlocked};
use super::state::{AfterWrite, OutboxState};
use super::{DroppedPayloads, Frame, Outbox, Phase, Policy, StateGuard, WriteMode, wake};

/// The outcome for a frame of a topic.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Delivery {
    /// The frame was written or queued.
    Accepted,
    /// The frame was queued, and the publisher must flush: see [`Outbox::flush_direct`].
    Deferred,
    /// The frame was dropped, as the subscription or the publisher allows.
    Skipped,
    /// There is no room, and under its policy the connection must be closed.
    Overflow,
    /// The connection is closing or gone.
    Closed,
}

/// A frame of a topic, for one subscriber.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TopicFrame<'f> {
    pub(crate) frame: &'f Frame,
    /// The id of the topic.
    pub(crate) topic: u64,
    /// The policy of the subscription.
    pub(crate) policy: Policy,
    /// Whether to drop the frame if other frames wait.
    pub(crate) volatile: bool,
}

impl Outbox {
    /// Pushes a frame of a topic under the policy of the subscription.
    ///
    /// With [`WriteMode::Queue`] the frame waits for [`flush_direct`](Self::flush_direct). Payloads
    /// that are dropped to make room are added to `dropped`.
    #[inline]
    pub(crate) fn push_topic(
        &self,
        topic_frame: TopicFrame<'_>,
        mode: WriteMode,
        dropped: &mut DroppedPayloads,
    ) -> Delivery {
        let mut state = self.lock();
        if state.phase != Phase::Open {
            return Delivery::Closed;
        }
        // The fast path. Everything else is compiled separately.
        if mode == WriteMode::Direct
            && state.is_idle()
            && let Some(written) = state.write_at_once(topic_frame.frame)
        {
            if let Ok(written) = written
                && written == topic_frame.frame.len()
            {
                state.count_written(written);
                state.count_pushed(topic_frame.frame);
                return Delivery::Accepted;
            }
            return queue_rest(self.guard(state), topic_frame, written);
        }
        self.queue_topic(self.guard(state), topic_frame, mode, dropped)
    }

    #[inline(never)]
    fn queue_topic(
        &self,
        mut state: StateGuard<'_>,
        topic_frame: TopicFrame<'_>,
        mode: WriteMode,
        dropped: &mut DroppedPayloads,
    ) -> Delivery {
        let mut written = AfterWrite::default();
        if state.is_in_burst() && !state.queue.is_empty() {
            if state.fits_burst(topic_frame.frame.len()) {
                // The task that flushes the earlier frames writes this one too.
                push_of_burst(&mut state, topic_frame);
                return Delivery::Accepted;
            }
            written = state.write_pending(dropped);
        }
        let (delivery, waker) = put_topic(&mut state, topic_frame, mode, dropped);
        drop(state);
        self.finish_write(written);
        wake(waker);
        delivery
    }
}

/// Queues the rest of a frame of which the idle socket has accepted a part, or nothing.
#[cold]
fn queue_rest(
    mut state: StateGuard<'_>,
    topic_frame: TopicFrame<'_>,
    written: io::Result<usize>,
) -> Delivery {
    let TopicFrame { frame, topic, .. } = topic_frame;
    state.count_pushed(frame);
    let waker = state.put_rest(frame, FrameKind::Topic(topic), written);
    let broken = state.broken;
    drop(state);
    wake(waker);
    if broken {
        Delivery::Closed
    } else {
        Delivery::Accepted
    }
}

/// Queues a frame behind other frames of the same burst.
fn push_of_burst(state: &mut OutboxState, topic_frame: TopicFrame<'_>) {
    let if_blocked = match topic_frame.policy {
        _ if topic_frame.volatile => IfBlocked::Drop,
        Policy::Latest => IfBlocked::Replace,
        Policy::Close | Policy::DropOldest | Policy::DropNewest => IfBlocked::Wait,
    };
    let kind = FrameKind::Topic(topic_frame.topic);
    state.count_pushed(topic_frame.frame);
    state
        .queue
        .push_of_burst(topic_frame.frame, kind, if_blocked);
}

/// Queues a frame, or writes it if the socket is idle. Returns the task to wake, too.
fn put_topic(
    state: &mut OutboxState,
    topic_frame: TopicFrame<'_>,
    mode: WriteMode,
    dropped: &mut DroppedPayloads,
) -> (Delivery, Option<Waker>) {
    let TopicFrame {
        frame,
        topic,
        policy,
        volatile,
    } = topic_frame;
    if volatile && !state.is_in_burst() && !state.queue.is_empty() {
        state.queue.count_dropped(1, DropReason::Volatile);
        return (Delivery::Skipped, None);
    }
    let kind = FrameKind::Topic(topic);
    match make_room(&mut state.queue, frame.len(), kind, policy, dropped) {
        Capacity::Available => {}
        Capacity::DropNewest => return (Delivery::Skipped, None),
        Capacity::Overflow => return (Delivery::Overflow, None),
    }
    state.count_pushed(frame);
    let deferred = mode == WriteMode::Queue && state.is_idle();
    state.flush_pending |= deferred;
    let waker = state.put(frame, kind, mode);
    let delivery = match (state.broken, deferred) {
        (true, _) => Delivery::Closed,
        (false, true) => Delivery::Deferred,
        (false, false) => Delivery::Accepted,
    };
    (delivery, waker)
}
