//! The tasks of a node.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures::future::{Either, select};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until, timeout_at};

use super::lane::{NodeLane, OpenedLane, Ticket};
use super::{Author, Lag, MAX_OWN, NodeShared};
use crate::log::name::Lane;
use crate::log::position::Position;
use crate::log::shared::append::{AppendError, Bounded};
use crate::log::shared::backoff::Backoff;
use crate::log::shared::entry::{Heartbeat, Incarnation, NoticeKind, Record};
use crate::log::shared::follow::{Event, ResetReason};
use crate::log::shared::liveness::Heard;
use crate::log::shared::{HEARTBEAT, IDLE, STALE};

impl NodeShared {
    pub(super) fn apply(self: &Arc<Self>, event: &Event<'_>) {
        let at = event.at();
        let lane = self.lane(at.lane);
        let now = Instant::now();
        let mut opened = lane.opened();
        match (&mut *opened, event) {
            (opened, Event::Started { .. }) => {
                *opened = Some(OpenedLane::new(at, &self.options, now));
            }
            (Some(opened), Event::Reset { .. }) => opened.reset(at, now),
            (Some(opened), Event::Message { message, .. }) => {
                opened.push(at.offset, message, now);
            }
            (Some(_), Event::Relayed { .. }) | (None, _) => {}
            (Some(opened), _) => opened.reach(at.offset),
        }
        let author = event.author().map(|author| self.author(author));
        let after = self.apply.apply(event, author.unwrap_or(Author::Another));
        drop(opened);
        if let Some(after) = after {
            after();
        }
        self.applied(event, at, lane);
    }

    /// What follows from an event for the node itself, without the lock of the lane.
    fn applied(self: &Arc<Self>, event: &Event<'_>, at: Position, lane: &NodeLane) {
        match event {
            Event::Entry {
                author,
                number,
                content,
                ..
            } if self.author(*author) == Author::This => {
                lane.change(|appender| appender.was_read(*author, *number, at, *content));
            }
            Event::Started { .. } => lane.moved.notify_waiters(),
            Event::Reset { reason, .. } => {
                lane.moved.notify_waiters();
                if at.lane == Lane::CONTROL {
                    self.liveness().reset();
                }
                match reason {
                    // Every node enters its members again.
                    ResetReason::Generation => {
                        lane.must_announce.store(true, Ordering::Relaxed);
                    }
                    ResetReason::Lost => self.push_member(at.lane, Record::Recall),
                    ResetReason::Uncertain => {}
                }
            }
            Event::Record {
                record: Record::Recall,
                ..
            } => lane.must_announce.store(true, Ordering::Relaxed),
            Event::Record {
                author,
                record: Record::Cleared,
                ..
            } if self.author(*author) == Author::This => {
                self.recorder().clear(at.lane);
                self.noted.notify_one();
            }
            Event::Record {
                author,
                record:
                    Record::Notice {
                        kind: NoticeKind::Leaving,
                        ..
                    },
                ..
            } => self.left(*author),
            Event::Heartbeat {
                author, heartbeat, ..
            } => {
                let heard = self.liveness().heartbeat(*author);
                match heard {
                    Heard::Living { dead } => {
                        self.note_heartbeat(*author, heartbeat);
                        for dead in dead {
                            self.bury(dead);
                        }
                    }
                    Heard::Dead => self.push_member(Lane::CONTROL, Record::Died(*author)),
                    Heard::Refused => self.unreadable.add(),
                }
            }
            Event::Record {
                record: Record::Died(node),
                ..
            } if self.liveness().bury(*node) => self.bury(*node),
            _ => {}
        }
    }

    /// A node is dead. If it is this one, it takes another incarnation and enters its members again.
    fn bury(&self, dead: Incarnation) {
        self.deaths().push(dead);
        self.reports.remove(dead);
        self.apply.died(dead);
        let mut identity = self.identity();
        if identity.current != dead {
            return;
        }
        let next = self.options.incarnations.next(dead);
        identity.current = next;
        identity.all.push(next);
        if identity.all.len() > MAX_OWN {
            identity.all.remove(1);
        }
        for lane in &self.lanes {
            lane.appender().renew(next);
            lane.must_announce.store(true, Ordering::Relaxed);
        }
        drop(identity);
        tracing::warn!("the other nodes have taken this one for dead; it continues under a new id");
    }

    /// Queues a record about members, beyond the limits of the queue: members have their own. If it
    /// cannot be appended, all members of the lane are announced when it is available again.
    pub(super) fn push_member(self: &Arc<Self>, lane: Lane, record: Record) {
        let this = Arc::downgrade(self);
        let ticket = Box::new(move |outcome: Result<Position, AppendError>| {
            if outcome.is_err()
                && let Some(this) = this.upgrade()
            {
                let lane = this.lane(lane);
                lane.must_announce_later.store(true, Ordering::Relaxed);
            }
        });
        self.push_record(lane, record, ticket);
    }

    /// Queues a record without a message. Its author bounds their number.
    pub(super) fn push_record(&self, lane: Lane, record: Record, ticket: Ticket) {
        let lane = self.lane(lane);
        // The queue does not bound it, and it has no message that could be too large.
        let _ = lane
            .appender()
            .push(record, ticket, Bounded::ByAuthor, Instant::now());
        lane.queued.notify_one();
    }

    pub(super) async fn append_lane(self: Arc<Self>, lane: Lane) {
        let state = self.lane(lane);
        // Lanes have pauses of their own.
        let seed = self.options.incarnation.0 ^ u64::from(lane.0) << 32;
        let mut backoff = Backoff::new(Incarnation(seed));
        loop {
            let head = state.head();
            let next = |head| state.appender().next(head, Instant::now());
            let Some(append) = head.and_then(next) else {
                expiring(state, state.queued.notified()).await;
                continue;
            };
            let answer = expiring(state, self.engine.append(&append)).await;
            state.change(|appender| appender.answered(&append, &answer));
            state.writes.answered(lane, &answer, Instant::now());
            match answer {
                Ok(_) => backoff.reset(),
                Err(error) => {
                    tracing::debug!(%error, lane = lane.0, "an entry could not be appended");
                    expiring(state, sleep(backoff.next())).await;
                }
            }
        }
    }

    pub(super) async fn relay_lane(self: Arc<Self>, lane: Lane) {
        let state = self.lane(lane);
        let author = self.identity().first;
        loop {
            let next = state.relay().next(author, self.version.get());
            let Some(entry) = next else {
                state.relayed.notified().await;
                continue;
            };
            if let Err(error) = self.engine.relay(lane, entry).await {
                self.relay_failures.fetch_add(1, Ordering::Relaxed);
                tracing::debug!(%error, lane = lane.0, "messages could not be relayed");
            }
        }
    }

    /// Records the members of this node for nodes that start later.
    pub(super) async fn record_members(self: Arc<Self>) {
        let mut backoff = Backoff::new(self.options.incarnation);
        loop {
            let current = self.identity().current;
            let next = |node| Some((node, self.recorder_of(node).next()?));
            let Some((node, changes)) = next(current).or_else(|| next(Incarnation::NONE)) else {
                self.noted.notified().await;
                continue;
            };
            match self.engine.record_members(node, &changes).await {
                Ok(()) => backoff.reset(),
                Err(error) => {
                    self.recorder_of(node).restore(changes);
                    tracing::debug!(%error, "members could not be recorded");
                    sleep(backoff.next()).await;
                }
            }
        }
    }

    /// Notices that a lane cannot be read, or only too slowly.
    pub(super) async fn observe_lag(self: Arc<Self>, lane: Lane) {
        let mut read = self.lane(lane).read_at.subscribe();
        loop {
            let last = *read.borrow_and_update();
            if timeout_at(last + STALE, read.changed()).await.is_ok() {
                continue;
            }
            self.apply.set_lag(lane, Lag::Stale);
            // The sender lives as long as this task.
            let _ = read.changed().await;
            self.apply.set_lag(lane, Lag::None);
        }
    }

    pub(super) async fn send_heartbeats(self: Arc<Self>) {
        let mut ticks = interval(HEARTBEAT);
        // Those that were missed, sent at once, would make other nodes look dead.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if !self.is_leaving.load(Ordering::Relaxed) {
                self.queue_heartbeat();
            }
            let now = Instant::now();
            if let Some(limit) = self.options.fail_closed_after
                && self.outage.reaches(limit, now)
            {
                self.apply.fail_closed();
            }
            for lane in &self.lanes {
                if let Some(opened) = &mut *lane.opened() {
                    opened.trim(now);
                }
                if lane.must_announce_later.swap(false, Ordering::Relaxed) {
                    lane.must_announce.store(true, Ordering::Relaxed);
                }
            }
        }
    }

    fn queue_heartbeat(&self) {
        let connections = self.apply.connections();
        let lag = self.reports.queue(Instant::now());
        // Locked throughout: the numbers are those of one incarnation.
        let identity = self.identity();
        let accepted = self.lanes.iter().map(|lane| lane.appender().accepted());
        let heartbeat = Heartbeat {
            versions: self.options.versions,
            accepted: accepted.collect(),
            connections,
            lag,
        };
        let control = self.lane(Lane::CONTROL);
        control.appender().heartbeat(heartbeat);
        drop(identity);
        control.queued.notify_one();
    }
}

/// Awaits a future, and meanwhile reports the records that have waited too long.
async fn expiring<F: Future>(lane: &NodeLane, future: F) -> F::Output {
    let mut future = pin!(future);
    loop {
        let deadline = lane.appender().deadline();
        let deadline = deadline.unwrap_or_else(|| Instant::now() + IDLE);
        match select(future.as_mut(), pin!(sleep_until(deadline))).await {
            Either::Left((output, _)) => return output,
            Either::Right(_) => lane.change(|appender| appender.expire(Instant::now())),
        }
    }
}
