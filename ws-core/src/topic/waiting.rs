//! Subscribers of a shared log that wait: for this node to read up to their position, or for the
//! older part of a history.

use std::cmp::Ordering;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use super::capacity::ReplayCapacity;
use super::interrupt::Interrupted;
use super::key::{Declared, TopicKey};
use super::logged::{NewSubscription, Replaced};
use super::position::SinceError;
use super::publish::AfterUnlock;
use super::replay_end::{ReplayEnd, deliver_positioned};
use super::shared::{First, SharedLog, Waiting};
use super::start::Start;
use super::{Subscriber, Topics};
use crate::close::{Close, CloseCode};
use crate::log::shared::{Node, OpenedLane, PositionedMessage, ReplayError};
use crate::log::{HistoryLimits, Position, TopicName};

/// How long a subscriber waits for its first messages.
const MAX_WAIT: Duration = Duration::from_secs(10);

/// Subscribers of a hub that wait at the same time. Later ones are closed with 1013.
const MAX_WAITING: usize = 65_536;

/// The pause after the engine has failed to load a history.
const RETRY: Duration = Duration::from_millis(200);

/// What a subscriber waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum WaitFor {
    /// The node has read the whole log once.
    Ready,
    Position(Position),
    History(HistoryLimits),
}

/// Why a subscriber gets its messages not now.
enum NotNow {
    Wait(WaitFor),
    /// Messages are missing.
    Gap,
}

/// The first messages of a subscriber.
struct FirstMessages {
    all: Vec<PositionedMessage>,
    /// The number of those that were published before it has subscribed: the oldest of them may be
    /// left out.
    optional: usize,
}

impl FirstMessages {
    const fn required(all: Vec<PositionedMessage>) -> Self {
        Self { all, optional: 0 }
    }

    /// Leaves out the oldest messages that do not fit, if all of them are optional.
    fn fit(mut self, capacity: ReplayCapacity) -> Result<Vec<PositionedMessage>, TooMany> {
        let lens = self.all.iter().map(|it| it.message.len());
        let missing = self.all.len() - capacity.newest(lens);
        if missing > self.optional {
            return Err(TooMany);
        }
        self.all.drain(..missing);
        Ok(self.all)
    }
}

/// A subscriber cannot receive at once what it must not miss.
struct TooMany;

impl First {
    /// The messages of a subscriber, all of those that the node has read.
    fn messages(
        self,
        lane: Option<&OpenedLane>,
        topic: &TopicName,
        limits: Option<HistoryLimits>,
        now: Instant,
    ) -> Result<FirstMessages, NotNow> {
        let lane = lane.ok_or(NotNow::Wait(WaitFor::Ready))?;
        let wait = |error| match (error, self, limits) {
            (ReplayError::Ahead, Self::Behind(position), _) => {
                NotNow::Wait(WaitFor::Position(position))
            }
            (ReplayError::NotLoaded, _, Some(limits)) => NotNow::Wait(WaitFor::History(limits)),
            _ => NotNow::Gap,
        };
        match (self, limits) {
            (Self::Behind(from), limits) => {
                let messages = lane.since(topic, from, limits, now).map_err(wait)?;
                Ok(FirstMessages::required(messages))
            }
            (Self::Last(last, head), Some(limits)) => {
                let head = head.unwrap_or_else(|| lane.head());
                let later = lane.since(topic, head, None, now).map_err(wait)?;
                let all = lane.last(topic, last.saturating_add(later.len()), limits, now);
                let mut all = all.map_err(wait)?;
                // What was published since is complete, even if the history keeps less.
                all.retain(|kept| kept.at.partial_cmp(&head) != Some(Ordering::Greater));
                let skipped = all.len().saturating_sub(last);
                all.drain(..skipped);
                let optional = all.len();
                all.extend(later);
                Ok(FirstMessages { all, optional })
            }
            (Self::Last(..), None) => Ok(FirstMessages::required(Vec::new())),
        }
    }

    /// What a page has received with the last of the messages.
    fn end(self, head: Option<Position>) -> Option<ReplayEnd> {
        head.map(|head| match self {
            // The page may continue other topics of the lane.
            Self::Behind(_) => ReplayEnd::Unknown(head),
            Self::Last(..) => ReplayEnd::Complete(head),
        })
    }

    /// Closes the connection of a subscriber that cannot receive its messages at once.
    fn too_many(self) -> Close {
        match self {
            Self::Behind(_) => SinceError::TooFarBehind.into(),
            Self::Last(..) => {
                let reason = "more messages were published than the connection can receive at once";
                Close::new(CloseCode::TRY_AGAIN_LATER, reason)
            }
        }
    }
}

impl Topics {
    /// Adds a subscriber to a logged topic of a shared log. If its first messages are not here yet,
    /// it waits in its slot, and later messages wait in the log.
    pub(super) fn subscribe_shared(
        &self,
        shared: &SharedLog,
        name: &TopicName,
        declared: Declared,
        subscriber: Subscriber,
        start: &Start,
        capacity: impl Fn() -> ReplayCapacity + Send + Sync + 'static,
    ) -> Result<NewSubscription, SinceError> {
        let key = TopicKey::Declared(name.clone());
        let limits = declared.kept();
        let lane = shared.node.lane_of(name);
        let position = match start {
            Start::Since(position) => Some(position.open(name, &self.log.context.sealer)?),
            Start::Now | Start::Replay(_) => None,
            Start::Behind(cursor) => Some(cursor.position(lane).ok_or(SinceError::Gap)?),
        };
        let (now, available) = (Instant::now(), capacity());
        let (added, waiting) = shared.node.with_lane(lane, |opened| {
            let head = opened.map(OpenedLane::head);
            let first = match (start, position) {
                (_, Some(position)) => First::Behind(position),
                (Start::Replay(last), _) => First::Last(*last, head),
                _ => {
                    return Ok((
                        self.subscribe_logged(&key, subscriber, (Vec::new(), None)),
                        None,
                    ));
                }
            };
            match first.messages(opened, name, limits, now) {
                Ok(messages) => {
                    let messages = messages.fit(available);
                    let messages = messages.map_err(|TooMany| SinceError::TooFarBehind)?;
                    Ok((
                        self.subscribe_logged(&key, subscriber, (messages, first.end(head))),
                        None,
                    ))
                }
                Err(NotNow::Gap) => Err(SinceError::Gap),
                Err(NotNow::Wait(_)) => {
                    let (token, events) = (shared.next_token(), subscriber.wait());
                    let subscriber = Subscriber::Suspended {
                        subscriber: Box::new(subscriber),
                        token,
                    };
                    let added = self.subscribe_logged(&key, subscriber, (Vec::new(), None));
                    let waiting = Waiting {
                        channel: added.subscription.channel.clone(),
                        slot: added.subscription.slot,
                        token,
                        first,
                        limits,
                        capacity: Box::new(capacity),
                        deadline: now + MAX_WAIT,
                        _events: events,
                    };
                    Ok((added, Some(waiting)))
                }
            }
        })?;
        if let Some(waiting) = waiting {
            Self::wait(shared, name, waiting);
        }
        Ok(added)
    }

    /// Replaces a subscriber in place. The new one gets the messages behind a position first; if this
    /// node has not read them yet, that is a gap.
    pub(super) fn resubscribe_shared(
        shared: &SharedLog,
        name: &TopicName,
        limits: Option<HistoryLimits>,
        from: Position,
        capacity: ReplayCapacity,
        replace: impl FnOnce((Vec<PositionedMessage>, Option<ReplayEnd>)) -> Replaced,
    ) -> Result<Replaced, SinceError> {
        shared.node.with_lane(shared.node.lane_of(name), |opened| {
            let messages = First::Behind(from).messages(opened, name, limits, Instant::now());
            let messages = messages.map_err(|_| SinceError::Gap)?.fit(capacity);
            let messages = messages.map_err(|TooMany| SinceError::TooFarBehind)?;
            Ok(replace((
                messages,
                opened.map(|it| ReplayEnd::Complete(it.head())),
            )))
        })
    }

    /// Whether a subscription can begin at a position of a shared log, as far as it is known now.
    pub(super) fn check_shared(
        shared: &SharedLog,
        name: &TopicName,
        declared: Declared,
        from: Position,
    ) -> Result<(), SinceError> {
        let limits = declared.kept();
        shared.node.with_lane(shared.node.lane_of(name), |opened| {
            match First::Behind(from).messages(opened, name, limits, Instant::now()) {
                Err(NotNow::Gap) => Err(SinceError::Gap),
                Ok(_) | Err(NotNow::Wait(_)) => Ok(()),
            }
        })
    }

    fn subscribe_logged(
        &self,
        key: &TopicKey,
        subscriber: Subscriber,
        first: (Vec<PositionedMessage>, Option<ReplayEnd>),
    ) -> NewSubscription {
        let mut after_unlock = AfterUnlock::default();
        let subscription = self.subscribe_after(key, subscriber, |subscriber, topic| {
            deliver_positioned(subscriber, topic, first, &mut after_unlock);
        });
        // Under the lock of the lane: a reset finds the subscriber.
        subscription.channel.lock().is_logged = true;
        NewSubscription {
            subscription,
            after_unlock,
        }
    }

    /// Starts to wait. All who wait for one topic share one task.
    fn wait(shared: &SharedLog, name: &TopicName, waiting: Waiting) {
        let mut all = shared.waiting();
        if all.values().map(Vec::len).sum::<usize>() >= MAX_WAITING {
            drop(all);
            let interrupted = waiting.interrupt();
            shared.interrupt(interrupted.into_iter().collect(), &too_late());
            return;
        }
        match all.entry(name.clone()) {
            Entry::Occupied(mut others) => others.get_mut().push(waiting),
            Entry::Vacant(place) => {
                place.insert(vec![waiting]);
                let (node, name) = (shared.node.clone(), name.clone());
                let topics = shared.topics.clone();
                shared.node.spawn(finish_waiting(topics, node, name));
            }
        }
    }

    /// Serves everyone who waits for a topic. Returns what the rest waits for, and until when.
    fn serve_waiting(shared: &SharedLog, name: &TopicName) -> Option<(WaitFor, Instant)> {
        let mut all = match shared.waiting().get_mut(name) {
            // The entry stays: this task serves those who come meanwhile.
            Some(all) => std::mem::take(all),
            None => return None,
        };
        let now = Instant::now();
        let capacities: Vec<_> = all.iter().map(|waiting| (waiting.capacity)()).collect();
        let mut capacities = capacities.into_iter();
        let mut served = Served::default();
        shared.node.with_lane(shared.node.lane_of(name), |opened| {
            all.retain(|waiting| {
                let messages = waiting.first.messages(opened, name, waiting.limits, now);
                let capacity = capacities.next().unwrap_or(ReplayCapacity::UNLIMITED);
                served.serve(
                    waiting,
                    (messages, opened.map(OpenedLane::head)),
                    capacity,
                    now,
                )
            });
        });
        let Served {
            finished,
            gaps,
            too_many,
            too_late,
            next,
        } = served;
        for after_unlock in finished {
            after_unlock.finish(name.as_str());
        }
        shared.interrupt(gaps, &gap());
        for (interrupted, close) in too_many {
            shared.interrupt(vec![interrupted], &close);
        }
        shared.interrupt(too_late, &self::too_late());
        let mut waiting = shared.waiting();
        let Entry::Occupied(mut others) = waiting.entry(name.clone()) else {
            return None;
        };
        others.get_mut().extend(all);
        if others.get().is_empty() {
            others.remove();
            return None;
        }
        next.or(Some((WaitFor::Ready, now)))
    }
}

/// What became of those who wait for a topic.
#[derive(Default)]
struct Served {
    finished: Vec<AfterUnlock>,
    gaps: Vec<Interrupted>,
    too_many: Vec<(Interrupted, Close)>,
    too_late: Vec<Interrupted>,
    /// What the others wait for, and the first of their deadlines.
    next: Option<(WaitFor, Instant)>,
}

impl Served {
    /// Serves one of them. Returns whether it goes on waiting.
    fn serve(
        &mut self,
        waiting: &Waiting,
        (messages, head): (Result<FirstMessages, NotNow>, Option<Position>),
        capacity: ReplayCapacity,
        now: Instant,
    ) -> bool {
        match messages.map(|messages| messages.fit(capacity)) {
            Ok(Ok(messages)) => self
                .finished
                .extend(waiting.activate((messages, waiting.first.end(head)))),
            Ok(Err(TooMany)) => {
                let interrupted = waiting.interrupt();
                let close = || waiting.first.too_many();
                let interrupted = interrupted.map(|interrupted| (interrupted, close()));
                self.too_many.extend(interrupted);
            }
            Err(NotNow::Wait(wait)) if now < waiting.deadline => {
                let earlier = self.next.map_or(waiting.deadline, |(_, deadline)| deadline);
                self.next = Some((wait, earlier.min(waiting.deadline)));
                return true;
            }
            Err(NotNow::Gap) => self.gaps.extend(waiting.interrupt()),
            Err(NotNow::Wait(_)) => self.too_late.extend(waiting.interrupt()),
        }
        false
    }
}

impl Waiting {
    /// Gives the subscriber its first messages; later ones are delivered to it. The caller holds
    /// the lock of the lane.
    fn activate(&self, first: (Vec<PositionedMessage>, Option<ReplayEnd>)) -> Option<AfterUnlock> {
        let mut subscribers = self.channel.lock();
        let slot = subscribers.list.get_mut(self.slot)?;
        if !slot.has_token(self.token) {
            return None;
        }
        *slot = slot.take().resumed();
        let mut after_unlock = AfterUnlock::default();
        deliver_positioned(slot, self.channel.id, first, &mut after_unlock);
        Some(after_unlock)
    }

    /// The subscriber cannot get its messages.
    fn interrupt(&self) -> Option<Interrupted> {
        let mut subscribers = self.channel.lock();
        let slot = subscribers.list.get_mut(self.slot)?;
        if slot.has_token(self.token) {
            Interrupted::of(slot)
        } else {
            None
        }
    }
}

fn gap() -> Close {
    let reason = "messages of a topic are no longer kept; subscribe again";
    Close::new(CloseCode::SERVICE_RESTART, reason)
}

fn too_late() -> Close {
    let reason = "the first messages of a topic could not be loaded in time";
    Close::new(CloseCode::TRY_AGAIN_LATER, reason)
}

/// Serves everyone who waits for a topic, until none is left.
async fn finish_waiting(topics: Weak<Topics>, node: Arc<Node>, name: TopicName) {
    loop {
        let next = {
            let Some(topics) = topics.upgrade() else {
                return;
            };
            let Some(shared) = topics.shared() else {
                return;
            };
            Topics::serve_waiting(shared, &name)
        };
        let Some((wait, deadline)) = next else {
            return;
        };
        // The deadline is handled above.
        let _ = timeout_at(deadline, async {
            match wait {
                WaitFor::Ready => node.ready().await,
                WaitFor::Position(position) => node.reached(position).await,
                WaitFor::History(limits) => {
                    if let Err(error) = node.load_history(&name, limits).await {
                        tracing::debug!(topic = name.as_str(), %error, "a history is not loaded");
                        sleep(RETRY).await;
                    }
                }
            }
        })
        .await;
    }
}
