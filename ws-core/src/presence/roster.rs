//! The members of a topic on all nodes.
//!
//! Every node applies the records of a topic in the order of the log, so all rosters are equal. A
//! member is shown while any node has it, and for `linger` after the last one has lost it. If nodes
//! have different values of one key, the newest by position is shown.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::ops::Bound;
use std::time::Duration;

use tokio::time::Instant;

use super::changes::Changes;
use super::event;
use super::record::{Change, Key, Record, Value};
use crate::limits::deadline_after;

/// One life of a node. A node that finds its own death in the log takes another one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct NodeLife(pub u64);

/// The members of one topic; `P` is a position in the log.
///
/// Call [`expire`](Self::expire) when [`due`](Self::due) has passed.
#[derive(Debug)]
pub struct Roster<P> {
    members: BTreeMap<Key, RosterMember<P>>,
    /// The members that have left and are still shown.
    lingering: BTreeSet<(Instant, Key)>,
    /// The bytes of the members that are shown, as JSON with their keys.
    list_bytes: usize,
    linger: Duration,
}

#[derive(Debug)]
struct RosterMember<P> {
    /// The value that is shown.
    newest: NodeValue<P>,
    /// The values of other nodes.
    others: Vec<NodeValue<P>>,
    /// Until when a member is shown that no node has any more.
    lingers_until: Option<Instant>,
}

/// The value of a member on one node.
#[derive(Debug)]
struct NodeValue<P> {
    node: NodeLife,
    value: Value,
    /// The position of the record.
    at: P,
}

impl<P: Copy + Ord> RosterMember<P> {
    /// Sets the value of a node, unless it has a newer one.
    fn set(&mut self, mut new: NodeValue<P>) {
        if self.newest.node == new.node {
            if self.newest.at < new.at {
                self.newest = new;
            }
            return;
        }
        let mut others = self.others.iter();
        if let Some(place) = others.position(|other| other.node == new.node) {
            if self.others[place].at >= new.at {
                return;
            }
            self.others.swap_remove(place);
        }
        if self.newest.at < new.at {
            mem::swap(&mut self.newest, &mut new);
        }
        self.others.push(new);
    }

    /// Removes the value of a node. Returns false if that was the only one: it is kept.
    fn remove(&mut self, node: NodeLife) -> bool {
        if self.newest.node != node {
            self.others.retain(|other| other.node != node);
            return true;
        }
        let others = self.others.iter().enumerate();
        let Some((newest, _)) = others.max_by_key(|(_, other)| other.at) else {
            return false;
        };
        self.newest = self.others.swap_remove(newest);
        true
    }

    /// Whether this node has a value that is older than `before`.
    fn has(&self, node: NodeLife, before: Option<P>) -> bool {
        let mut values = self.others.iter().chain([&self.newest]);
        let value = values.find(|value| value.node == node);
        value.is_some_and(|value| before.is_none_or(|before| value.at < before))
    }
}

impl<P: Copy + Ord> Roster<P> {
    /// Creates a topic without members, which shows a member for `linger` after it has left.
    pub fn new(linger: Duration) -> Self {
        Self {
            members: BTreeMap::new(),
            lingering: BTreeSet::new(),
            list_bytes: 0,
            linger,
        }
    }

    /// Applies a record of a node. Its position is behind those of all earlier records of the
    /// topic; a record that is applied again changes nothing.
    pub fn apply(
        &mut self,
        record: Record,
        node: NodeLife,
        at: P,
        now: Instant,
        changes: &mut Changes,
    ) {
        match record.change {
            Change::Entered(value) | Change::Changed(value) => {
                self.set(record.key, NodeValue { node, value, at }, changes);
            }
            Change::Left => self.remove(&record.key, node, Some(at), now, changes),
        }
    }

    fn set(&mut self, key: Key, new: NodeValue<P>, changes: &mut Changes) {
        let Some(member) = self.members.get_mut(&key) else {
            changes.note(&key, None);
            self.list_bytes += event::pair_len((&key, &new.value));
            let member = RosterMember {
                newest: new,
                others: Vec::new(),
                lingers_until: None,
            };
            self.members.insert(key, member);
            return;
        };
        let shown = member.newest.value.clone();
        match member.lingers_until.take() {
            Some(until) => {
                self.lingering.remove(&(until, key.clone()));
                member.newest = new;
            }
            None => member.set(new),
        }
        if member.newest.value != shown {
            self.list_bytes += member.newest.value.len();
            self.list_bytes -= shown.len();
            changes.note(&key, Some(shown));
        }
    }

    /// Removes the value of a node if it is older than `before`.
    fn remove(
        &mut self,
        key: &Key,
        node: NodeLife,
        before: Option<P>,
        now: Instant,
        changes: &mut Changes,
    ) {
        let Some(member) = self.members.get_mut(key) else {
            return;
        };
        if member.lingers_until.is_some() || !member.has(node, before) {
            return;
        }
        let shown = member.newest.value.clone();
        if !member.remove(node) {
            let until = deadline_after(now, self.linger);
            member.lingers_until = Some(until);
            self.lingering.insert((until, key.clone()));
        } else if member.newest.value != shown {
            self.list_bytes += member.newest.value.len();
            self.list_bytes -= shown.len();
            changes.note(key, Some(shown));
        }
    }

    /// Removes the members of a node that is dead. All nodes call it at the same position.
    pub fn died(&mut self, node: NodeLife, now: Instant, changes: &mut Changes) {
        for key in self.keys_of(node) {
            self.remove(&key, node, None, now, changes);
        }
    }

    /// Removes what a node has entered before this position. All nodes call it at the same position.
    #[cfg(feature = "cluster")]
    pub fn clear(&mut self, node: NodeLife, before: P, now: Instant, changes: &mut Changes) {
        for key in self.keys_of(node) {
            self.remove(&key, node, Some(before), now, changes);
        }
    }

    fn keys_of(&self, node: NodeLife) -> Vec<Key> {
        let members = self.members.iter();
        let of_node = members.filter(|(_, member)| member.has(node, None));
        of_node.map(|(key, _)| key.clone()).collect()
    }

    /// Removes the members that have lingered long enough.
    pub fn expire(&mut self, now: Instant, changes: &mut Changes) {
        while let Some((until, _)) = self.lingering.first()
            && *until <= now
        {
            let Some((_, key)) = self.lingering.pop_first() else {
                return;
            };
            let removed = self.members.remove(&key);
            let value = removed.map(|member| member.newest.value);
            let bytes = value.as_ref().map(|value| event::pair_len((&key, value)));
            self.list_bytes -= bytes.unwrap_or_default();
            changes.note(&key, value);
        }
    }

    /// When [`expire`](Self::expire) must be called.
    pub fn due(&self) -> Option<Instant> {
        self.lingering.first().map(|(until, _)| *until)
    }

    /// The number of members that are shown.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// The bytes of the members that are shown, as JSON with their keys.
    pub(super) const fn list_bytes(&self) -> usize {
        self.list_bytes
    }

    /// Whether no member is shown.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// The value of a member that is shown.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.members.get(key).map(|member| &member.newest.value)
    }

    /// The members that are shown, in the order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = (&Key, &Value)> {
        let members = self.members.iter();
        members.map(|(key, member)| (key, &member.newest.value))
    }

    /// The members behind a key, in the order of their keys.
    pub fn after(&self, key: &str) -> impl Iterator<Item = (&Key, &Value)> {
        let behind = (Bound::Excluded(key), Bound::Unbounded);
        let members = self.members.range::<str, _>(behind);
        members.map(|(key, member)| (key, &member.newest.value))
    }
}

#[cfg(test)]
mod tests;
