//! The connections of this node that have entered a topic.
//!
//! Several connections may enter under one key, for example the tabs of one user. Only the first
//! and the last of them, and a change of the value, become a [`Record`]; and at most one record of
//! a key in each `tick`, so that a flood of entering and leaving costs no more than that.

use std::collections::HashMap;
use std::mem;
use std::time::Duration;

use tokio::time::Instant;

use super::record::{Change, Key, Record, Value};
use crate::id::ConnectionId;
use crate::limits::deadline_after;

/// The members of one topic that this node has entered.
///
/// Call [`flush`](Self::flush) when [`due`](Self::due) has passed.
#[derive(Debug)]
pub struct LocalMembers {
    members: HashMap<Key, LocalMember>,
    /// The keys that had a record since the window has begun, with the value that they had then.
    recorded: HashMap<Key, Option<Value>>,
    /// When the window ends; `None` while there is none.
    window_end: Option<Instant>,
    tick: Duration,
}

#[derive(Debug)]
struct LocalMember {
    /// The connection that has entered last. Its value is the value of the member.
    newest: Entry,
    /// The other connections, the earliest first.
    earlier: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    connection: ConnectionId,
    value: Value,
}

impl LocalMember {
    /// Removes a connection. Returns whether others are left, or `None` if it had not entered.
    fn remove(&mut self, connection: ConnectionId) -> Option<bool> {
        if self.newest.connection != connection {
            let mut earlier = self.earlier.iter();
            let place = earlier.position(|entry| entry.connection == connection)?;
            self.earlier.remove(place);
        } else if let Some(entry) = self.earlier.pop() {
            self.newest = entry;
        } else {
            return Some(false);
        }
        Some(true)
    }
}

impl LocalMembers {
    /// Creates a topic without members; `tick` is the time in which a key has at most one record.
    pub fn new(tick: Duration) -> Self {
        Self {
            members: HashMap::new(),
            recorded: HashMap::new(),
            window_end: None,
            tick,
        }
    }

    /// Enters a member for a connection, or changes its value.
    pub fn enter(
        &mut self,
        key: &Key,
        connection: ConnectionId,
        value: Value,
        now: Instant,
    ) -> Option<Record> {
        let entry = Entry { connection, value };
        let earlier = if let Some(member) = self.members.get_mut(key) {
            let earlier = member.newest.value.clone();
            if member.newest.connection == connection {
                member.newest = entry;
            } else {
                member.remove(connection);
                let newest = mem::replace(&mut member.newest, entry);
                member.earlier.push(newest);
            }
            Some(earlier)
        } else {
            let newest = entry;
            let earlier = Vec::new();
            self.members
                .insert(key.clone(), LocalMember { newest, earlier });
            None
        };
        self.record(key, earlier.as_ref(), now)
    }

    /// Ends the membership of a connection.
    pub fn leave(&mut self, key: &Key, connection: ConnectionId, now: Instant) -> Option<Record> {
        let member = self.members.get_mut(key)?;
        let earlier = member.newest.value.clone();
        if !member.remove(connection)? {
            self.members.remove(key);
        }
        self.record(key, Some(&earlier), now)
    }

    /// The record of a change, unless the key has had one in this window.
    fn record(&mut self, key: &Key, earlier: Option<&Value>, now: Instant) -> Option<Record> {
        if self.recorded.contains_key(key) {
            return None;
        }
        let current = self.value(key).cloned();
        let record = record(key, earlier, current.as_ref())?;
        self.recorded.insert(key.clone(), current);
        self.window_end
            .get_or_insert_with(|| deadline_after(now, self.tick));
        Some(record)
    }

    /// Ends the window if it is due: returns the records of keys that have changed in it after
    /// their record.
    pub fn flush(&mut self, now: Instant) -> Vec<Record> {
        if self.window_end.is_none_or(|end| end > now) {
            return Vec::new();
        }
        let mut records = Vec::new();
        for (key, earlier) in mem::take(&mut self.recorded) {
            let current = self.value(&key).cloned();
            if let Some(record) = record(&key, earlier.as_ref(), current.as_ref()) {
                records.push(record);
                self.recorded.insert(key, current);
            }
        }
        let is_open = !self.recorded.is_empty();
        self.window_end = is_open.then(|| deadline_after(now, self.tick));
        records
    }

    /// When [`flush`](Self::flush) must be called.
    pub const fn due(&self) -> Option<Instant> {
        self.window_end
    }

    /// The records that enter all members again, after this node has found its own death in the
    /// log and has a new name.
    pub fn enter_again(&mut self, now: Instant) -> Vec<Record> {
        self.recorded.clear();
        let entered = |(key, member): (&Key, &LocalMember)| {
            self.recorded
                .insert(key.clone(), Some(member.newest.value.clone()));
            Record {
                key: key.clone(),
                change: Change::Entered(member.newest.value.clone()),
            }
        };
        let records: Vec<_> = self.members.iter().map(entered).collect();
        self.window_end = (!records.is_empty()).then(|| deadline_after(now, self.tick));
        records
    }

    /// Whether no connection has entered, and no record is due.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty() && self.window_end.is_none()
    }

    fn value(&self, key: &Key) -> Option<&Value> {
        self.members.get(key).map(|member| &member.newest.value)
    }
}

/// The record of a change from one value to another.
fn record(key: &Key, from: Option<&Value>, to: Option<&Value>) -> Option<Record> {
    let change = match (from, to) {
        (None, Some(value)) => Change::Entered(value.clone()),
        (Some(earlier), Some(value)) if earlier != value => Change::Changed(value.clone()),
        (Some(_), None) => Change::Left,
        _ => return None,
    };
    let key = key.clone();
    Some(Record { key, change })
}

#[cfg(test)]
mod tests;
