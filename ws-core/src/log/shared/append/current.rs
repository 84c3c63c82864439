//! The entry of a lane that is under way.

use std::mem;

use tokio::time::Instant;

use crate::log::position::{EntryId, Generation, Position};
use crate::log::shared::engine::{Append, Kept};
use crate::log::shared::entry::{Body, Entry, Incarnation};

/// An entry without an answer.
#[derive(Debug)]
pub(super) struct Current<T> {
    pub(super) entry: Entry,
    /// All copies have this version.
    pub(super) version: u8,
    pub(super) kept: Vec<Kept>,
    pub(super) messages: Messages,
    pub(super) sent: Sent<T>,
    pub(super) attempts: Attempts,
    pub(super) is_under_way: bool,
}

/// What the engine may have seen of an entry, and the generation to which it was sent last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Attempts {
    /// It certainly does not have the entry.
    None,
    /// One copy was sent. If that one is answered, its id is the entry's.
    One(Generation),
    /// Several copies were sent; the first in the log counts, which is known when it is read.
    Several(Generation),
}

/// Whether an entry still has its messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Messages {
    Included,
    /// They were reported as unconfirmed. Some of them would have been kept in a history, which
    /// must not add them later.
    WithdrawnFromHistory,
}

/// The tickets of an entry.
#[derive(Debug)]
pub(super) struct Sent<T> {
    pub(super) incarnation: Incarnation,
    pub(super) number: u64,
    /// In the order of the records. Empty after they were reported.
    pub(super) tickets: Vec<T>,
    pub(super) bytes: usize,
    pub(super) since: Instant,
    /// The position of the entry, if it is certain.
    pub(super) at: Option<(Generation, EntryId)>,
}

impl<T> Current<T> {
    /// Whether a log from before this generation may have the entry.
    pub(super) fn may_be_before(&self, generation: Generation) -> bool {
        match self.attempts {
            Attempts::None => false,
            Attempts::One(sent_to) | Attempts::Several(sent_to) => sent_to != generation,
        }
    }

    /// Keeps the number of the entry, but not its records. Returns the tickets.
    pub(super) fn withdraw(&mut self, now: Instant) -> Sent<T> {
        self.entry.body = Body::Empty;
        if !self.kept.is_empty() {
            self.kept.clear();
            self.messages = Messages::WithdrawnFromHistory;
        }
        let empty = Sent {
            incarnation: self.sent.incarnation,
            number: self.sent.number,
            tickets: Vec::new(),
            bytes: 0,
            since: now,
            at: None,
        };
        mem::replace(&mut self.sent, empty)
    }

    /// Begins an attempt; `head` is what the node has read of the lane.
    pub(super) fn send(&mut self, head: Position) -> Append {
        let Position {
            generation, lane, ..
        } = head;
        self.is_under_way = true;
        self.attempts = match self.attempts {
            Attempts::None => {
                self.entry.behind = head.offset.entry;
                Attempts::One(generation)
            }
            Attempts::One(_) | Attempts::Several(_) => Attempts::Several(generation),
        };
        Append {
            lane,
            generation,
            incarnation: self.entry.incarnation,
            number: self.entry.number,
            entry: self.entry.encode_as(self.version),
            kept: self.kept.clone(),
            is_withdrawn: self.messages == Messages::WithdrawnFromHistory,
        }
    }
}
