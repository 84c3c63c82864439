//! Pushes frames of topics to an outbox.

use std::io;
use std::mem;
use std::task::Waker;

use super::make_room::{Capacity, make_room};
use super::queue::{DropReason, FrameKind, IfBlocked};
use super::state::{AfterWrite, OutboxState};
use super::{DroppedPayloads, FlushId, Frame, Outbox, Phase, Policy, StateGuard, Status};

/// The outcome for a frame of a topic.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Delivery {
    /// The frame was written or queued.
    Accepted,
    /// Same as `Accepted`; before that, waiting frames were written. Tasks may wait for the freed
    /// capacity.
    AcceptedAfterWrite,
    /// The frame was queued, and the publisher must flush: see [`Outbox::flush_direct`].
    Deferred,
    /// The frame was dropped, as the subscription or the publisher allows.
    Skipped,
    /// There is no room, and under its policy the connection must be closed.
    Overflow,
    /// The connection is closing or gone.
    Closed,
}

/// How a frame of a topic reaches the client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum TopicWrite {
    /// Directly to the socket if that is idle.
    Direct,
    /// Into the queue, for this flush.
    Queue(FlushId),
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

/// What remains to do after pushes, when all locks are released: wakers and the `Drop` of payloads
/// may be code of the application.
#[derive(Default)]
pub(crate) struct AfterPush {
    /// Payloads that were dropped from queues to make room.
    pub(crate) dropped: DroppedPayloads,
    /// Tasks of connections that must write.
    wakers: Vec<Waker>,
    /// Whether the last push has freed capacity.
    freed: bool,
}

impl AfterPush {
    /// Whether the last push has freed capacity: then [`Outbox::changed`] must be notified.
    pub(crate) fn take_freed(&mut self) -> bool {
        mem::take(&mut self.freed)
    }

    /// Wakes the tasks. Call it without any lock.
    pub(crate) fn wake(&mut self) {
        for waker in self.wakers.drain(..) {
            waker.wake();
        }
    }

    fn add(&mut self, written: AfterWrite) {
        self.wakers.extend(written.waker);
        self.freed |= written.freed;
    }
}

impl Outbox {
    /// Pushes a frame of a topic under the policy of the subscription.
    ///
    /// With [`TopicWrite::Queue`] the frame waits for [`flush_direct`](Self::flush_direct). What
    /// remains to do is added to `after`.
    #[inline]
    pub(crate) fn push_topic(
        &self,
        topic_frame: TopicFrame<'_>,
        mode: TopicWrite,
        after: &mut AfterPush,
    ) -> Delivery {
        let mut state = self.lock();
        if state.phase != Phase::Open {
            return Delivery::Closed;
        }
        // The fast path. Everything else is compiled separately.
        if mode == TopicWrite::Direct
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
            return queue_rest(self.guard(state), topic_frame, written, after);
        }
        queue_topic(self.guard(state), topic_frame, mode, after)
    }

    /// Ends a burst without a write, if only frames of topics wait, for which `flush` can write.
    /// Also returns whether the outbox must be added to that flush.
    pub(crate) fn leave_to(&self, flush: FlushId) -> Option<(Status, bool)> {
        let mut state = self.lock();
        if !state.can_leave() {
            return None;
        }
        state.corked = false;
        let joined = state.pending.replace(flush) != Some(flush);
        Some((state.status(), joined))
    }
}

#[inline(never)]
fn queue_topic(
    mut state: StateGuard<'_>,
    topic_frame: TopicFrame<'_>,
    mode: TopicWrite,
    after: &mut AfterPush,
) -> Delivery {
    let delivery = if state.is_in_burst() && !state.queue.is_empty() {
        if state.fits_burst(topic_frame.frame.len()) {
            push_of_burst(&mut state, topic_frame);
            join_burst(&mut state, mode, after)
        } else {
            let written = state.write_pending(&mut after.dropped);
            after.add(written);
            put_topic(&mut state, topic_frame, mode, after)
        }
    } else {
        put_topic(&mut state, topic_frame, mode, after)
    };
    if after.freed && delivery == Delivery::Accepted {
        Delivery::AcceptedAfterWrite
    } else {
        delivery
    }
}

/// Makes sure that a frame behind others of a burst is written in time. Another publisher has queued
/// those, and it may be blocked: so this one does not wait for its flush.
fn join_burst(state: &mut OutboxState, mode: TopicWrite, after: &mut AfterPush) -> Delivery {
    match mode {
        // The connection's task writes when its burst ends.
        _ if state.corked => Delivery::Accepted,
        TopicWrite::Queue(flush) if state.pending == Some(flush) => Delivery::Accepted,
        TopicWrite::Queue(flush) => {
            state.pending = Some(flush);
            Delivery::Deferred
        }
        TopicWrite::Direct => {
            let written = state.write_direct(&mut after.dropped);
            after.add(written);
            if state.broken {
                Delivery::Closed
            } else {
                Delivery::Accepted
            }
        }
    }
}

/// Queues the rest of a frame of which the idle socket has accepted a part, or nothing.
#[cold]
fn queue_rest(
    mut state: StateGuard<'_>,
    topic_frame: TopicFrame<'_>,
    written: io::Result<usize>,
    after: &mut AfterPush,
) -> Delivery {
    let TopicFrame { frame, topic, .. } = topic_frame;
    state.count_pushed(frame);
    let waker = state.put_rest(frame, FrameKind::Topic(topic), written);
    after.wakers.extend(waker);
    if state.broken {
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

/// Queues a frame, or writes it if the socket is idle.
fn put_topic(
    state: &mut OutboxState,
    topic_frame: TopicFrame<'_>,
    mode: TopicWrite,
    after: &mut AfterPush,
) -> Delivery {
    let TopicFrame {
        frame,
        topic,
        policy,
        volatile,
    } = topic_frame;
    // A burst into which it does not fit is a backlog, too.
    if volatile && !state.queue.is_empty() {
        state.queue.count_dropped(1, DropReason::Volatile);
        return Delivery::Skipped;
    }
    let kind = FrameKind::Topic(topic);
    match make_room(
        &mut state.queue,
        frame.len(),
        kind,
        policy,
        &mut after.dropped,
    ) {
        Capacity::Available => {}
        Capacity::DropNewest => return Delivery::Skipped,
        Capacity::Overflow => return Delivery::Overflow,
    }
    match mode {
        // The first frame of a burst; the replies of the connection's task may precede it.
        _ if state.corked && state.queue.is_empty() => push_of_burst(state, topic_frame),
        TopicWrite::Queue(flush) if state.queue.is_empty() && !state.broken => {
            push_of_burst(state, topic_frame);
            state.pending = Some(flush);
            return Delivery::Deferred;
        }
        TopicWrite::Queue(_) => {
            state.count_pushed(frame);
            state.queue.push(frame, kind, 0);
        }
        TopicWrite::Direct => {
            state.count_pushed(frame);
            after.wakers.extend(state.put(frame, kind));
        }
    }
    if state.broken {
        Delivery::Closed
    } else {
        Delivery::Accepted
    }
}
