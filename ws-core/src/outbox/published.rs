//! Pushes frames of topics to an outbox.

use std::io;

use super::queue::Kind;
use super::room::{Room, make_room};
use super::{Changing, Dropped, Frame, Outbox, Phase, Policy, Way, wake};

/// The outcome for a frame of a topic.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Delivery {
    /// The frame was written or queued.
    Taken,
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
pub(crate) struct Published<'f> {
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
    /// With [`Way::Queue`] the frame waits for [`flush_direct`](Self::flush_direct). Payloads that
    /// are dropped to make room are added to `dropped`.
    #[inline]
    pub(crate) fn push_topic(
        &self,
        published: Published<'_>,
        way: Way,
        dropped: &mut Dropped,
    ) -> Delivery {
        let state = self.lock();
        if state.phase != Phase::Open {
            return Delivery::Closed;
        }
        // The fast path. Everything else is compiled separately.
        if way == Way::Direct
            && state.is_idle()
            && let Some(written) = state.write_at_once(published.frame)
        {
            if let Ok(written) = written
                && written == published.frame.len()
            {
                return Delivery::Taken;
            }
            return queue_rest(self.changing(state), published, written);
        }
        queue_topic(self.changing(state), published, way, dropped)
    }
}

/// Queues the rest of a frame of which the idle socket has accepted a part, or nothing.
#[cold]
fn queue_rest(
    mut state: Changing<'_>,
    published: Published<'_>,
    written: io::Result<usize>,
) -> Delivery {
    let Published { frame, topic, .. } = published;
    let waker = state.put_rest(frame, Kind::Topic(topic), written);
    let broken = state.broken;
    drop(state);
    wake(waker);
    if broken {
        Delivery::Closed
    } else {
        Delivery::Taken
    }
}

#[inline(never)]
fn queue_topic(
    mut state: Changing<'_>,
    published: Published<'_>,
    way: Way,
    dropped: &mut Dropped,
) -> Delivery {
    let Published {
        frame,
        topic,
        policy,
        volatile,
    } = published;
    // During a burst the queue contains the burst's own frames, which are not a backlog.
    let backlog = state.pace.is_blocked() || !state.corked;
    if volatile && backlog && !state.queue.is_empty() {
        state.queue.count_dropped();
        return Delivery::Skipped;
    }
    let kind = Kind::Topic(topic);
    match make_room(&mut state.queue, frame.len(), kind, policy, dropped) {
        Room::Made => {}
        Room::LeftOut => return Delivery::Skipped,
        Room::Overflow => return Delivery::Overflow,
    }
    let deferred = way == Way::Queue && state.is_idle();
    let waker = state.put(frame, kind, way);
    let broken = state.broken;
    drop(state);
    wake(waker);
    match (broken, deferred) {
        (true, _) => Delivery::Closed,
        (false, true) => Delivery::Deferred,
        (false, false) => Delivery::Taken,
    }
}
