//! The events for the watchers of one topic.
//!
//! All watchers know the same: the state at the last event. So a new watcher gets a snapshot of
//! that state, all watchers share each frame, and a snapshot is encoded once between two events.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::changes::{Changes, Detail};
use super::event::{self, Pair};
use super::record::{Key, Value};
use super::roster::Roster;
use crate::limits::{PresenceLimits, deadline_after};
use crate::message::Message;

/// What the watchers of one topic know, and when they get the next event.
///
/// Call [`next_event`](Self::next_event) when [`due`](Self::due) has passed and the topic has
/// watchers, or [`skip_event`](Self::skip_event) if it has none.
#[derive(Debug)]
pub struct Watch {
    changes: Changes,
    /// The count that watchers know, with [`Detail::Count`].
    count: usize,
    /// No event is sent before this time.
    not_before: Option<Instant>,
    /// The event for new watchers.
    snapshot: Option<Message>,
    tick: Duration,
    list: usize,
    list_bytes: usize,
}

impl Watch {
    /// Creates the state of a topic without members.
    pub fn new(limits: &PresenceLimits) -> Self {
        Self {
            changes: Changes::default(),
            count: 0,
            not_before: None,
            snapshot: None,
            tick: limits.tick,
            list: limits.list,
            list_bytes: limits.list_bytes,
        }
    }

    /// The set to which the roster adds its changes.
    pub const fn changes(&mut self) -> &mut Changes {
        &mut self.changes
    }

    /// When the next event must be sent.
    pub fn due(&self, now: Instant) -> Option<Instant> {
        (!self.changes.is_empty()).then(|| self.not_before.unwrap_or(now))
    }

    /// The event for a new watcher: the state at the last event.
    pub fn snapshot<P: Copy + Ord>(&mut self, topic: &str, roster: &Roster<P>) -> Message {
        let (changes, count) = (&self.changes, self.count);
        let snapshot = self.snapshot.get_or_insert_with(|| match changes.detail() {
            Detail::Count => event::count(topic, count),
            Detail::Members => {
                let known = changes.known();
                let unchanged = roster.iter().filter(|(key, _)| !known.contains_key(*key));
                let earlier = known.iter();
                let earlier = earlier.filter_map(|(key, value)| Some((key, value.as_ref()?)));
                let members: BTreeMap<&Key, &Value> = unchanged.chain(earlier).collect();
                event::snapshot(topic, members)
            }
        });
        snapshot.clone()
    }

    /// The event for all watchers; `None` if the changes since the last one cancel out.
    pub fn next_event<P: Copy + Ord>(
        &mut self,
        topic: &str,
        roster: &Roster<P>,
        now: Instant,
    ) -> Option<Message> {
        if self.changes.is_empty() {
            return None;
        }
        self.not_before = Some(deadline_after(now, self.tick));
        let earlier = self.begin(roster);
        let event = match (earlier.detail, self.changes.detail()) {
            (Detail::Members, Detail::Members) => changes(topic, &earlier.changes, roster)?,
            (Detail::Count, Detail::Members) => event::snapshot(topic, roster.iter()),
            (Detail::Count, Detail::Count) if self.count == earlier.count => return None,
            (_, Detail::Count) => event::count(topic, self.count),
        };
        self.snapshot = None;
        Some(event)
    }

    /// Skips an event, because the topic has no watchers.
    pub fn skip_event<P: Copy + Ord>(&mut self, roster: &Roster<P>) {
        if !self.changes.is_empty() {
            self.begin(roster);
            self.snapshot = None;
        }
    }

    /// Begins a new set of changes, in the level of detail for the current number of members.
    fn begin<P: Copy + Ord>(&mut self, roster: &Roster<P>) -> Earlier {
        // The limits differ, so that a topic at the limit does not alternate.
        let most = |limit: usize| match self.changes.detail() {
            Detail::Members => limit,
            Detail::Count => limit - limit / 5,
        };
        let is_large = roster.list_bytes() > most(self.list_bytes);
        let detail = if is_large || roster.len() > most(self.list) {
            Detail::Count
        } else {
            Detail::Members
        };
        let changes = std::mem::replace(&mut self.changes, Changes::new(detail));
        let count = std::mem::replace(&mut self.count, roster.len());
        Earlier {
            detail: changes.detail(),
            changes,
            count,
        }
    }
}

/// What watchers knew before an event.
struct Earlier {
    detail: Detail,
    changes: Changes,
    count: usize,
}

/// The event for changes of single members.
fn changes<P: Copy + Ord>(topic: &str, since: &Changes, roster: &Roster<P>) -> Option<Message> {
    let [mut entered, mut changed] = [Vec::<Pair<'_>>::new(), Vec::new()];
    let mut left = Vec::new();
    for (key, known) in since.known() {
        match (known, roster.get(key)) {
            (None, Some(value)) => entered.push((key, value)),
            (Some(known), Some(value)) if known != value => changed.push((key, value)),
            (Some(_), None) => left.push(key),
            _ => {}
        }
    }
    let is_changed = !(entered.is_empty() && changed.is_empty() && left.is_empty());
    is_changed.then(|| event::changes(topic, entered, changed, left))
}

#[cfg(test)]
mod tests;
