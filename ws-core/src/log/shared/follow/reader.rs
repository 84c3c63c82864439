//! What a follower has read of one lane.

use crate::log::name::Lane;
use crate::log::position::{EntryId, Generation, Offset, Position};
use crate::log::shared::engine::{Census, Opened};
use crate::log::shared::entry::Entry;

/// The state of one lane.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) lane: Lane,
    /// `None` until the lane was opened.
    pub(super) generation: Option<Generation>,
    /// The end of the last entry that was read.
    pub(super) end: Offset,
    /// Every entry behind this one was read; some at or before it may have been missed.
    begin: EntryId,
    /// The number of entries ever added to the lane, up to the last one that was read.
    pub(super) added: u64,
    /// The last relayed entry that was read.
    pub(super) relayed: EntryId,
}

impl Reader {
    pub(super) const fn new(lane: Lane) -> Self {
        Self {
            lane,
            generation: None,
            end: Offset::ZERO,
            begin: EntryId::ZERO,
            added: 0,
            relayed: EntryId::ZERO,
        }
    }

    pub(super) fn at(&self, generation: Generation) -> Position {
        Position {
            generation,
            lane: self.lane,
            offset: self.end,
        }
    }

    pub(super) fn start(&mut self, opened: &Opened) -> Position {
        // Relayed entries are in no generation, and the other lanes of the server go on with theirs. Only
        // a server with other data has fewer.
        if self.generation.is_none() || opened.relayed < self.relayed {
            self.relayed = opened.relayed;
        }
        self.generation = Some(opened.generation);
        self.end = Offset::behind(opened.start);
        self.begin = opened.start;
        self.added = opened.added;
        self.at(opened.generation)
    }

    /// Whether entries were removed that the reader has not read. If it has read them a moment
    /// before they were removed, it lags by a whole window. It continues with the entry `first`.
    pub(super) fn lags_behind(&mut self, census: &Census, first: EntryId) -> bool {
        let lags = census.removed > self.added;
        self.added = self.added.max(census.removed);
        if lags {
            self.begin = first;
        }
        lags
    }

    /// Compares the number of entries that were read with the number of those that exist. Returns
    /// whether entries are missing.
    pub(super) fn misses_entries(&mut self, census: &Census) -> bool {
        if census.added == census.removed && self.end.entry < census.last {
            // Nothing is left to read: the reader continues behind what was removed.
            self.end = Offset::behind(census.last);
        }
        let expected = if census.last == self.end.entry {
            census.added
        } else {
            census.removed.max(self.added)
        };
        let misses = expected != self.added;
        self.added = expected;
        if misses {
            self.begin = self.end.entry;
        }
        misses
    }

    /// Whether a copy of the entry may have been in the lane that the reader has not read: an entry
    /// without an answer is sent again, and its first copy may be trimmed.
    pub(super) fn may_have_missed_a_copy(&self, entry: &Entry) -> bool {
        entry.behind < self.begin
    }
}
