//! The place in the log that a page has reached at the end of a replay.

#[cfg(feature = "cluster")]
use super::Subscriber;
#[cfg(feature = "cluster")]
use super::publish::AfterUnlock;
use super::start::Start;
use crate::log;
#[cfg(feature = "cluster")]
use crate::log::shared::PositionedMessage;
use crate::wire::LanePlace;

/// What a page has received with the last message of a replay.
#[derive(Clone, Copy)]
pub(super) enum ReplayEnd {
    /// Everything of the lane up to here.
    Complete(log::Position),
    /// Perhaps less: other topics of the lane follow.
    Unknown(log::Position),
}

impl ReplayEnd {
    pub(super) fn of(start: &Start, head: log::Position) -> Self {
        match start {
            // The page continues all its topics.
            Start::Behind(_) => Self::Unknown(head),
            Start::Now | Start::Replay(_) | Start::Since(_) => Self::Complete(head),
        }
    }

    /// The place that pages get with a message.
    pub(super) fn place(self, is_last: bool) -> LanePlace {
        match self {
            Self::Complete(head) => head.place_in_replay(is_last),
            Self::Unknown(head) => head.place_in_replay(false),
        }
    }
}

/// Delivers messages of a shared log, the oldest first.
#[cfg(feature = "cluster")]
pub(super) fn deliver_positioned(
    subscriber: &Subscriber,
    topic: u64,
    (messages, end): (Vec<PositionedMessage>, Option<ReplayEnd>),
    after_unlock: &mut AfterUnlock,
) {
    let count = messages.len();
    for (number, PositionedMessage { at, message }) in messages.into_iter().enumerate() {
        let place = end.map(|end| end.place(number + 1 == count));
        let at = matches!(subscriber, Subscriber::Listener { .. }).then_some(at);
        after_unlock.deliver_first(subscriber, topic, message, (at, place));
    }
}
