//! The events for the watchers of one topic.
//!
//! All watchers know the same: the state at the last event. So a new watcher gets a snapshot of
//! that state, all watchers share each frame, and a snapshot is encoded once between two events.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::changes::{Changes, Detail};
use super::event::{self, Freshness, Pair};
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
    freshness: Freshness,
    /// What the watchers know of it; `None` if they must get an event about it.
    known_freshness: Option<Freshness>,
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
    pub fn new(limits: &PresenceLimits, freshness: Freshness) -> Self {
        Self {
            changes: Changes::default(),
            count: 0,
            freshness,
            known_freshness: Some(freshness),
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

    /// The members are current or stale from now on: every watcher gets an event, even if the state
    /// was created after it.
    #[cfg(feature = "cluster")]
    pub(super) const fn set_freshness(&mut self, freshness: Freshness) {
        self.freshness = freshness;
        self.known_freshness = None;
    }

    /// Whether the members are current or stale.
    #[cfg(feature = "cluster")]
    pub(super) const fn freshness(&self) -> Freshness {
        self.freshness
    }

    fn has_new_freshness(&self) -> bool {
        self.known_freshness != Some(self.freshness)
    }

    /// When the next event must be sent.
    pub fn due(&self, now: Instant) -> Option<Instant> {
        let is_due = !self.changes.is_empty() || self.has_new_freshness();
        is_due.then(|| self.not_before.unwrap_or(now))
    }

    /// The event for a new watcher: the state at the last event.
    pub fn snapshot<P: Copy + Ord>(&mut self, topic: &str, roster: &Roster<P>) -> Message {
        let (changes, count) = (&self.changes, self.count);
        let freshness = self.known_freshness.unwrap_or(self.freshness);
        let snapshot = self.snapshot.get_or_insert_with(|| match changes.detail() {
            Detail::Count => event::count(topic, count, freshness),
            Detail::Members => {
                let known = changes.known();
                let unchanged = roster.iter().filter(|(key, _)| !known.contains_key(*key));
                let earlier = known.iter();
                let earlier = earlier.filter_map(|(key, value)| Some((key, value.as_ref()?)));
                let members: BTreeMap<&Key, &Value> = unchanged.chain(earlier).collect();
                event::snapshot(topic, members, freshness)
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
        let freshness = self.freshness;
        let is_new = self.has_new_freshness();
        if self.changes.is_empty() && !is_new {
            return None;
        }
        self.not_before = Some(deadline_after(now, self.tick));
        let earlier = self.begin(roster);
        let event = match (earlier.detail, self.changes.detail()) {
            (Detail::Members, Detail::Members) => {
                let changes = MemberChanges::new(&earlier.changes, roster);
                let is_event = is_new || !changes.is_empty();
                is_event.then(|| changes.encode(topic, freshness))?
            }
            (Detail::Count, Detail::Members) => event::snapshot(topic, roster.iter(), freshness),
            (Detail::Count, Detail::Count) if self.count == earlier.count && !is_new => {
                return None;
            }
            (_, Detail::Count) => event::count(topic, self.count, freshness),
        };
        self.snapshot = None;
        Some(event)
    }

    /// Skips an event, because the topic has no watchers.
    pub fn skip_event<P: Copy + Ord>(&mut self, roster: &Roster<P>) {
        if !self.changes.is_empty() || self.has_new_freshness() {
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
        self.known_freshness = Some(self.freshness);
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

/// The changes of single members since an event.
#[derive(Default)]
struct MemberChanges<'r> {
    entered: Vec<Pair<'r>>,
    changed: Vec<Pair<'r>>,
    left: Vec<&'r Key>,
}

impl<'r> MemberChanges<'r> {
    fn new<P: Copy + Ord>(since: &'r Changes, roster: &'r Roster<P>) -> Self {
        let mut changes = Self::default();
        for (key, known) in since.known() {
            match (known, roster.get(key)) {
                (None, Some(value)) => changes.entered.push((key, value)),
                (Some(known), Some(value)) if known != value => changes.changed.push((key, value)),
                (Some(_), None) => changes.left.push(key),
                _ => {}
            }
        }
        changes
    }

    const fn is_empty(&self) -> bool {
        self.entered.is_empty() && self.changed.is_empty() && self.left.is_empty()
    }

    fn encode(self, topic: &str, freshness: Freshness) -> Message {
        event::changes(topic, self.entered, self.changed, self.left, freshness)
    }
}

#[cfg(test)]
mod tests;
