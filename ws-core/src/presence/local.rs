//! The connections of this node that have entered a topic.
//!
//! Several connections may enter under one key, for example the tabs of one user. Only the first
//! and the last of them, and a change of the value, become a [`Record`]; and at most one record of
//! a key in each `tick`, so that a flood of entering and leaving costs no more than that.

use std::collections::{BTreeMap, HashMap};
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
    /// The members that are not shown before the window ends, because they have left in it.
    waiting: usize,
    /// The bytes of the values of all connections, and [`ENTRY_BYTES`] for each.
    bytes: usize,
    /// When the window ends; `None` while there is none.
    window_end: Option<Instant>,
    tick: Duration,
}

/// Bytes that each connection of a member takes besides its value.
const ENTRY_BYTES: usize = 128;

#[derive(Debug)]
struct LocalMember {
    /// The connection that has entered last. Its value is the value of the member.
    newest: Entry,
    /// The other connections; most members have none.
    earlier: Option<Box<EarlierEntries>>,
}

/// The earlier connections of a member.
#[derive(Debug, Default)]
struct EarlierEntries {
    /// By the order in which they have entered.
    entries: BTreeMap<u64, Entry>,
    numbers: HashMap<ConnectionId, u64>,
    last_number: u64,
}

impl EarlierEntries {
    fn add(&mut self, entry: Entry) {
        self.last_number += 1;
        self.numbers.insert(entry.connection, self.last_number);
        self.entries.insert(self.last_number, entry);
    }

    fn remove(&mut self, connection: ConnectionId) -> Option<Entry> {
        let number = self.numbers.remove(&connection)?;
        self.entries.remove(&number)
    }

    fn remove_last(&mut self) -> Option<Entry> {
        let (_, entry) = self.entries.pop_last()?;
        self.numbers.remove(&entry.connection);
        Some(entry)
    }
}

#[derive(Debug)]
struct Entry {
    connection: ConnectionId,
    value: Value,
}

impl Entry {
    fn bytes(&self) -> usize {
        self.value.len() + ENTRY_BYTES
    }
}

/// The outcome of the removal of a connection from a member.
enum Removal {
    /// The entry of the connection; others are left.
    Entry(Entry),
    /// It was the last one.
    Last,
}

impl LocalMember {
    /// Removes a connection; `None` if it had not entered. The last entry is kept.
    fn remove(&mut self, connection: ConnectionId) -> Option<Removal> {
        if self.newest.connection != connection {
            let entry = self.earlier.as_mut()?.remove(connection)?;
            self.drop_empty();
            return Some(Removal::Entry(entry));
        }
        let earlier = self.earlier.as_mut();
        let Some(entry) = earlier.and_then(|earlier| earlier.remove_last()) else {
            return Some(Removal::Last);
        };
        self.drop_empty();
        Some(Removal::Entry(mem::replace(&mut self.newest, entry)))
    }

    fn drop_empty(&mut self) {
        self.earlier.take_if(|earlier| earlier.entries.is_empty());
    }

    /// The value of a connection.
    fn value(&self, connection: ConnectionId) -> Option<&Value> {
        if self.newest.connection == connection {
            return Some(&self.newest.value);
        }
        let earlier = self.earlier.as_ref()?;
        let number = earlier.numbers.get(&connection)?;
        earlier.entries.get(number).map(|entry| &entry.value)
    }
}

impl LocalMembers {
    /// Creates a topic without members; `tick` is the time in which a key has at most one record.
    pub fn new(tick: Duration) -> Self {
        Self {
            members: HashMap::new(),
            recorded: HashMap::new(),
            waiting: 0,
            bytes: 0,
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
        self.bytes += entry.bytes();
        let earlier = if let Some(member) = self.members.get_mut(key) {
            let earlier = member.newest.value.clone();
            if member.newest.connection == connection {
                let replaced = mem::replace(&mut member.newest, entry);
                self.bytes -= replaced.bytes();
            } else {
                if let Some(Removal::Entry(removed)) = member.remove(connection) {
                    self.bytes -= removed.bytes();
                }
                let newest = mem::replace(&mut member.newest, entry);
                member.earlier.get_or_insert_default().add(newest);
            }
            Some(earlier)
        } else {
            let newest = entry;
            let earlier = None;
            self.members
                .insert(key.clone(), LocalMember { newest, earlier });
            self.waiting += usize::from(self.is_left(key));
            None
        };
        self.record(key, earlier.as_ref(), now)
    }

    /// Ends the membership of a connection.
    pub fn leave(&mut self, key: &Key, connection: ConnectionId, now: Instant) -> Option<Record> {
        let member = self.members.get_mut(key)?;
        let earlier = member.newest.value.clone();
        match member.remove(connection)? {
            Removal::Entry(entry) => self.bytes -= entry.bytes(),
            Removal::Last => {
                let last = self.members.remove(key);
                self.bytes -= last.map_or(0, |last| last.newest.bytes());
                self.waiting -= usize::from(self.is_left(key));
            }
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
        self.waiting = 0;
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
        self.waiting = 0;
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

    /// Whether the last record of the key in this window is that the member has left.
    fn is_left(&self, key: &Key) -> bool {
        self.recorded.get(key).is_some_and(Option::is_none)
    }

    /// The value of a connection that has entered under this key.
    pub fn value_of(&self, key: &Key, connection: ConnectionId) -> Option<&Value> {
        self.members.get(key)?.value(connection)
    }

    /// Whether a connection has entered under this key.
    pub fn has(&self, key: &Key) -> bool {
        self.members.contains_key(key)
    }

    /// The number of members that are not shown yet: they have left and entered again within one
    /// `tick`.
    pub const fn waiting(&self) -> usize {
        self.waiting
    }

    /// The bytes of the values of all connections, and 128 for each.
    pub const fn bytes(&self) -> usize {
        self.bytes
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
