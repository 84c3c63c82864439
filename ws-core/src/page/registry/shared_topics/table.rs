//! The subscriptions of the pages and sessions of all nodes, as the log has them: pure state.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::Duration;

use super::record::{Key, Owner, SharedSubscription};
use crate::log::TopicName;
use crate::log::shared::Incarnation;

/// Subscriptions of all pages and sessions of a cluster, at most. Later ones are known only to the
/// node on which they were made.
pub(super) const MAX_SUBSCRIPTIONS: usize = 262_144;

/// The time between two ticks: that of heartbeats.
const TICK: Duration = Duration::from_secs(3);

/// Ticks between two looks at all subscriptions: a minute.
const SWEEP: u64 = 20;

/// Ticks after which a node that has the page or the session writes the subscription again: five
/// minutes.
const REWRITE: u64 = 100;

/// Ticks after which a subscription ends that no node has written again: a quarter of an hour.
const EXPIRY: u64 = 3 * REWRITE;

/// The same after entries of the log were lost: its writer, if it lives, writes it again at once.
const EXPIRY_AFTER_LOSS: u64 = 2 * SWEEP;

/// Who has written a subscription last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Writer {
    This,
    Another(Incarnation),
    /// A node that is dead, or one from before this node has started.
    Unknown,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct TableEntry {
    pub(super) topic: TopicName,
    pub(super) subscription: SharedSubscription,
    pub(super) writer: Writer,
    /// The tick in which it was read.
    written: u64,
    /// Entries of the log were lost since: its end may have been among them.
    is_uncertain: bool,
}

/// The limit is reached.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Full;

/// The limits of a table.
#[derive(Clone, Copy, Debug)]
pub(super) struct TableLimits {
    pub(super) of_page: usize,
    pub(super) of_session: usize,
    pub(super) all: usize,
}

/// The subscriptions of all nodes. Time passes in ticks of this node's own heartbeats in the log, so
/// none expires while the log is unavailable.
#[derive(Debug)]
pub(super) struct Table {
    limits: TableLimits,
    owners: HashMap<Owner, Vec<TableEntry>>,
    count: usize,
    ticks: u64,
}

/// How long pages and sessions live without being used.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lifetimes {
    pub(super) grace: Duration,
    pub(super) idle: Duration,
}

/// What is due.
#[derive(PartialEq, Eq, Default, Debug)]
pub(super) struct Due {
    /// They are old: the node that has the page or the session writes them again.
    pub(super) rewritten: Vec<(Key, SharedSubscription, Writer)>,
    /// They were removed.
    pub(super) expired: Vec<Key>,
}

impl Table {
    pub(super) fn new(limits: TableLimits) -> Self {
        Self {
            limits,
            owners: HashMap::new(),
            count: 0,
            ticks: 0,
        }
    }

    /// The number of subscriptions.
    pub(super) const fn len(&self) -> usize {
        self.count
    }

    /// Adds a subscription, or replaces it.
    pub(super) fn set(
        &mut self,
        key: &Key,
        subscription: SharedSubscription,
        writer: Writer,
    ) -> Result<(), Full> {
        let max = match key.owner {
            Owner::Page(_) => self.limits.of_page,
            Owner::Session(_) => self.limits.of_session,
        };
        let new = TableEntry {
            topic: key.topic.clone(),
            subscription,
            writer,
            written: self.ticks,
            is_uncertain: false,
        };
        let entries = match self.owners.entry(key.owner.clone()) {
            Entry::Occupied(entries) => entries.into_mut(),
            Entry::Vacant(_) if self.count >= self.limits.all => return Err(Full),
            Entry::Vacant(place) => place.insert(Vec::new()),
        };
        if let Some(known) = entries.iter_mut().find(|it| it.topic == key.topic) {
            *known = new;
            return Ok(());
        }
        if entries.len() >= max || self.count >= self.limits.all {
            return Err(Full);
        }
        entries.push(new);
        self.count += 1;
        Ok(())
    }

    /// The subscriptions of a page or a session.
    pub(super) fn of(&self, owner: &Owner) -> &[TableEntry] {
        self.owners.get(owner).map_or(&[], Vec::as_slice)
    }

    pub(super) fn get(&self, key: &Key) -> Option<&TableEntry> {
        self.of(&key.owner).iter().find(|it| it.topic == key.topic)
    }

    /// Returns whether there was one.
    pub(super) fn remove(&mut self, key: &Key) -> bool {
        self.remove_if(key, |_| true)
    }

    /// Removes a subscription whose page has ended on this node. Returns whether it was removed.
    pub(super) fn end(&mut self, key: &Key, on: Writer) -> bool {
        self.remove_if(key, |it| it.writer == on || it.writer == Writer::Unknown)
    }

    fn remove_if(&mut self, key: &Key, is_over: impl FnOnce(&TableEntry) -> bool) -> bool {
        let Entry::Occupied(mut entries) = self.owners.entry(key.owner.clone()) else {
            return false;
        };
        let list = entries.get_mut();
        let place = list.iter().position(|it| it.topic == key.topic);
        let Some(place) = place.filter(|place| is_over(&list[*place])) else {
            return false;
        };
        list.swap_remove(place);
        if list.is_empty() {
            entries.remove();
        }
        self.count -= 1;
        true
    }

    /// A node is dead. Returns the subscriptions that it has written last.
    pub(super) fn died(&mut self, node: Incarnation) -> Vec<(Key, SharedSubscription)> {
        let mut orphans = Vec::new();
        for (owner, entries) in &mut self.owners {
            for entry in entries {
                if entry.writer == Writer::Another(node) {
                    entry.writer = Writer::Unknown;
                    orphans.push(entry.keyed(owner));
                }
            }
        }
        orphans
    }

    /// Entries of the log were lost: what others have written lives on only if they write it again.
    pub(super) fn lost(&mut self) {
        let ticks = self.ticks;
        for entry in self.owners.values_mut().flatten() {
            if matches!(entry.writer, Writer::Another(_)) {
                (entry.written, entry.is_uncertain) = (ticks, true);
            }
        }
    }

    /// The subscriptions that no other living node has written last.
    pub(super) fn own(&self) -> Vec<(Key, SharedSubscription, Writer)> {
        let all = self.owners.iter();
        all.flat_map(|(owner, entries)| entries.iter().map(move |entry| (owner, entry)))
            .filter(|(_, entry)| !matches!(entry.writer, Writer::Another(_)))
            .map(|(owner, entry)| {
                let (key, subscription) = entry.keyed(owner);
                (key, subscription, entry.writer)
            })
            .collect()
    }

    /// A tick has passed. Returns what is due, once a minute.
    pub(super) fn tick(&mut self, lifetimes: Lifetimes) -> Option<Due> {
        self.ticks += 1;
        if !self.ticks.is_multiple_of(SWEEP) {
            return None;
        }
        let mut due = Due::default();
        for (owner, entries) in &self.owners {
            let lifetime = match owner {
                Owner::Page(_) => lifetimes.grace,
                Owner::Session(_) => lifetimes.idle,
            };
            let lifetime = lifetime.as_millis() / TICK.as_millis();
            let expiry = EXPIRY.saturating_add(u64::try_from(lifetime).unwrap_or(u64::MAX));
            for entry in entries {
                let age = self.ticks - entry.written;
                if entry.is_uncertain && age >= EXPIRY_AFTER_LOSS || age >= expiry {
                    due.expired.push(entry.keyed(owner).0);
                } else if !entry.is_uncertain && age >= REWRITE {
                    let (key, subscription) = entry.keyed(owner);
                    due.rewritten.push((key, subscription, entry.writer));
                }
            }
        }
        for key in &due.expired {
            self.remove(key);
        }
        Some(due)
    }
}

impl TableEntry {
    fn keyed(&self, owner: &Owner) -> (Key, SharedSubscription) {
        let key = Key {
            owner: owner.clone(),
            topic: self.topic.clone(),
        };
        (key, self.subscription.clone())
    }
}

#[cfg(test)]
mod tests;
