//! What a node keeps of one lane, and what it sends to it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::NodeOptions;
use super::writes::Writes;
use crate::log::history::{Histories, HistoryLimits, KeptMessage, Removed};
use crate::log::name::{Lane, TopicName};
use crate::log::position::{Generation, Offset, Position};
use crate::log::shared::STALE;
use crate::log::shared::append::{AppendError, Appender, Outcome};
use crate::log::shared::earlier::{Earlier, Loaded, PositionedMessage};
use crate::log::shared::engine::HistoryMessage;
use crate::log::shared::entry::{Incarnation, LoggedMessage};
use crate::log::shared::relay::RelayQueue;
use crate::log::shared::window::{ResumeError, Window};

/// Receives the outcome of a record, without any lock.
pub(crate) type Ticket = Box<dyn FnOnce(Result<Position, AppendError>) + Send>;

/// One lane of a node.
pub(super) struct NodeLane {
    appender: Mutex<Appender<Ticket>>,
    /// The appender has something to send.
    pub(super) queued: Notify,
    /// `None` until the lane was opened.
    opened: Mutex<Option<OpenedLane>>,
    /// The head or the generation has moved.
    pub(super) moved: Notify,
    relay: Mutex<RelayQueue>,
    /// The relay queue has something to send.
    pub(super) relayed: Notify,
    /// When the lane was read to its end, up to [`STALE`](crate::log::shared::STALE) / 4 earlier.
    pub(super) read_at: watch::Sender<Instant>,
    /// Whether the lane takes entries.
    pub(super) writes: Writes,
    /// All members of the node must be entered again.
    pub(super) must_announce: AtomicBool,
    /// The same, but the log is unavailable at the moment.
    pub(super) must_announce_later: AtomicBool,
}

impl NodeLane {
    pub(super) fn new(lane: Lane, incarnation: Incarnation, options: &NodeOptions) -> Self {
        Self {
            appender: Mutex::new(Appender::new(lane, incarnation, options.append)),
            queued: Notify::new(),
            opened: Mutex::default(),
            moved: Notify::new(),
            relay: Mutex::default(),
            relayed: Notify::new(),
            read_at: watch::Sender::new(Instant::now()),
            writes: Writes::default(),
            must_announce: AtomicBool::new(false),
            must_announce_later: AtomicBool::new(false),
        }
    }

    pub(super) fn appender(&self) -> MutexGuard<'_, Appender<Ticket>> {
        let appender = self.appender.lock();
        appender.unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn relay(&self) -> MutexGuard<'_, RelayQueue> {
        self.relay.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn opened(&self) -> MutexGuard<'_, Option<OpenedLane>> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was read of the lane.
    pub(super) fn head(&self) -> Option<Position> {
        self.opened().as_ref().map(OpenedLane::head)
    }

    /// Changes the appender, and reports the outcomes after it is unlocked.
    pub(super) fn change<R>(&self, change: impl FnOnce(&mut Appender<Ticket>) -> R) -> R {
        let mut appender = self.appender();
        let result = change(&mut appender);
        let outcomes = appender.outcomes();
        drop(appender);
        report(outcomes);
        result
    }

    /// The lane was read to its end.
    pub(super) fn was_read(&self, now: Instant) {
        // Not after each read: that would wake the observer each time.
        self.read_at.send_if_modified(|at| {
            let is_due = now.duration_since(*at) >= STALE / 4;
            *at = if is_due { now } else { *at };
            is_due
        });
    }

    /// Whether the lane was not read to its end for too long.
    pub(super) fn is_stale(&self) -> bool {
        self.read_at.borrow().elapsed() >= STALE
    }

    /// Whether members must be announced now.
    pub(super) fn take_announcement(&self) -> bool {
        self.must_announce.swap(false, Ordering::Relaxed)
    }
}

fn report(outcomes: Vec<Outcome<Ticket>>) {
    for (ticket, outcome) in outcomes {
        ticket(outcome);
    }
}

/// What a node has read of a lane.
#[derive(Debug)]
pub(crate) struct OpenedLane {
    lane: Lane,
    generation: Generation,
    /// The place from which the node has read everything.
    start: Offset,
    /// When it began to read there.
    started: Instant,
    window: Window,
    histories: Histories,
    earlier: Earlier,
    max_history: usize,
}

/// Why messages of a topic cannot be replayed now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ReplayError {
    /// Messages are no longer kept, or may be missing.
    Gap,
    /// The position comes from a node that is ahead of this one.
    Ahead,
    /// The history must be loaded from the engine first.
    NotLoaded,
}

impl OpenedLane {
    pub(super) fn new(at: Position, options: &NodeOptions, now: Instant) -> Self {
        let max_history = options.history_bytes / options.lanes.count();
        Self {
            lane: at.lane,
            generation: at.generation,
            start: at.offset,
            started: now,
            window: Window::new(options.window, at.offset),
            histories: Histories::starting_at(max_history, at.offset),
            earlier: Earlier::default(),
            max_history,
        }
    }

    /// Forgets everything: messages before this position may be missing.
    pub(super) fn reset(&mut self, at: Position, now: Instant) {
        self.generation = at.generation;
        self.start = at.offset;
        self.started = now;
        self.window.reset(at.offset);
        self.histories = Histories::starting_at(self.max_history, at.offset);
        self.earlier = Earlier::default();
    }

    /// Adds the next message of the lane.
    pub(super) fn push(&mut self, at: Offset, message: &LoggedMessage, now: Instant) {
        let LoggedMessage {
            topic,
            message,
            history,
            ..
        } = message;
        self.window.push(at, topic, message, now);
        if let Some(limits) = *history {
            let kept = KeptMessage {
                offset: at,
                message: message.clone(),
            };
            // What comes from the log has no owner of the application, so it is dropped here.
            let mut removed = Removed::new();
            self.histories.push(topic, limits, kept, now, &mut removed);
        }
    }

    /// Moves the head over an entry without messages.
    pub(super) fn reach(&mut self, at: Offset) {
        self.window.reach(at);
    }

    /// Removes what is too old.
    pub(super) fn trim(&mut self, now: Instant) {
        self.window.trim(now);
        self.histories.sweep(now, &mut Removed::new());
    }

    /// The position from which everything was read.
    pub(crate) const fn start(&self) -> Position {
        self.position(self.start)
    }

    /// The generation that is read.
    pub(crate) const fn generation(&self) -> Generation {
        self.generation
    }

    /// The place up to which the lane was read.
    pub(crate) const fn head(&self) -> Position {
        self.position(self.window.head())
    }

    const fn position(&self, offset: Offset) -> Position {
        Position {
            generation: self.generation,
            lane: self.lane,
            offset,
        }
    }

    fn positioned(&self, kept: Vec<KeptMessage>) -> Vec<PositionedMessage> {
        let positioned = |kept: KeptMessage| PositionedMessage {
            at: self.position(kept.offset),
            message: kept.message,
        };
        kept.into_iter().map(positioned).collect()
    }

    /// The last messages of a topic with a history.
    ///
    /// # Errors
    ///
    /// [`ReplayError::NotLoaded`].
    pub(crate) fn last(
        &self,
        topic: &TopicName,
        last: usize,
        limits: HistoryLimits,
        now: Instant,
    ) -> Result<Vec<PositionedMessage>, ReplayError> {
        let max = usize::try_from(limits.messages.get()).unwrap_or(usize::MAX);
        let last = last.min(max);
        if last == 0 {
            return Ok(Vec::new());
        }
        let read = self.positioned(self.histories.last(topic, last, now));
        let is_whole = now.duration_since(self.started) >= limits.keep
            && self.histories.evicted(topic, limits.keep, now).is_none();
        if read.len() == last || is_whole {
            return Ok(read);
        }
        self.loaded_up_to(topic, limits, now)?;
        let missing = last - read.len();
        // What is kept here begins there.
        let begin = self.position(self.histories.lost(topic));
        let mut all = self.earlier.last((topic, begin), missing, limits, now);
        all.extend(read);
        Ok(all)
    }

    /// Up to which place the history of a topic was loaded: at least that behind which this node keeps
    /// everything.
    fn loaded_up_to(
        &self,
        topic: &TopicName,
        limits: HistoryLimits,
        now: Instant,
    ) -> Result<Offset, ReplayError> {
        let evicted = self.histories.evicted(topic, limits.keep, now);
        let needed = evicted.unwrap_or(self.start);
        let loaded = self.earlier.up_to(topic);
        let loaded = loaded.filter(|up_to| *up_to >= needed);
        loaded.ok_or(ReplayError::NotLoaded)
    }

    /// The messages of a topic behind a position.
    ///
    /// # Errors
    ///
    /// [`ReplayError`].
    pub(crate) fn since(
        &self,
        topic: &TopicName,
        from: Position,
        limits: Option<HistoryLimits>,
        now: Instant,
    ) -> Result<Vec<PositionedMessage>, ReplayError> {
        if from.generation != self.generation || from.lane != self.lane {
            return Err(ReplayError::Gap);
        }
        if from > self.head() {
            return Err(ReplayError::Ahead);
        }
        if let Some(read) = self.read_since(topic, from.offset, limits, now) {
            return Ok(read);
        }
        let limits = limits.filter(|_| from.offset < self.start);
        let limits = limits.ok_or(ReplayError::Gap)?;
        let up_to = self.loaded_up_to(topic, limits, now)?;
        let until = (topic, self.position(up_to));
        let earlier = self.earlier.last(until, usize::MAX, limits, now);
        // Messages may have been removed behind the position, unless its own message is kept.
        let place = earlier.iter().position(|kept| kept.at == from);
        let place = place.ok_or(ReplayError::Gap)?;
        let read = self.read_since(topic, up_to, Some(limits), now);
        let mut all = earlier[place + 1..].to_vec();
        all.extend(read.ok_or(ReplayError::Gap)?);
        Ok(all)
    }

    /// The messages behind a place, as far as this node has read them.
    fn read_since(
        &self,
        topic: &TopicName,
        place: Offset,
        limits: Option<HistoryLimits>,
        now: Instant,
    ) -> Option<Vec<PositionedMessage>> {
        if place < self.start {
            return None;
        }
        match self.window.after(topic, place) {
            Ok(recent) => {
                let positioned = recent.into_iter().map(|recent| PositionedMessage {
                    at: self.position(recent.offset),
                    message: recent.message,
                });
                Some(positioned.collect())
            }
            // A history may go back further than the window.
            Err(ResumeError::Gap | ResumeError::Ahead) => {
                limits?;
                let kept = self.histories.after(topic, place, now);
                kept.ok().map(|kept| self.positioned(kept))
            }
        }
    }

    /// Up to which position a topic's history is to be loaded: to the start, or if messages behind it
    /// are no longer kept, to the head, so that it need not be loaded again for each of them.
    pub(super) fn place_to_load(
        &self,
        topic: &TopicName,
        limits: HistoryLimits,
        now: Instant,
    ) -> Position {
        match self.histories.evicted(topic, limits.keep, now) {
            Some(_) => self.head(),
            None => self.start(),
        }
    }

    /// Adds what the engine has of a topic's history, up to the position that was to be loaded when it
    /// was asked.
    pub(super) fn load(
        &mut self,
        (topic, place): (&TopicName, Position),
        loaded: Vec<HistoryMessage>,
        now: Instant,
    ) {
        if place < self.start() || place.generation != self.generation {
            // What was read was forgotten meanwhile.
            return;
        }
        let positioned = |loaded: HistoryMessage| {
            let at = Position {
                generation: loaded.generation,
                lane: self.lane,
                offset: Offset::new(loaded.entry, loaded.index),
            };
            let added = now.checked_sub(loaded.age).unwrap_or(now);
            let message = loaded.message;
            // One of a former generation is neither earlier nor later.
            let is_later = at > place;
            (!is_later).then_some((PositionedMessage { at, message }, added))
        };
        let loaded = Loaded {
            up_to: place.offset,
            messages: loaded.into_iter().filter_map(positioned).collect(),
        };
        self.earlier.insert(topic.clone(), loaded);
    }
}
