//! Reads the lanes in order: drops repeated entries, and turns every loss into a reset.
//!
//! A [`Follower`] does no IO. Its owner calls [`opened`](Follower::opened) for each lane, and again
//! after every error; then [`begin_read`](Follower::begin_read), reads what it returns, and
//! [`apply`](Follower::apply) for each lane that was read.
//!
//! A new generation and entries that were trimmed unread are noticed before any later message is
//! delivered. An entry that disappears in another way, which no sound server allows, is noticed at
//! the next entry or heartbeat of its author; a client that moves to another node before gets no
//! reset.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::append::Content;
use super::engine::{LaneRead, Opened, ReadFrom};
use super::entry::{Body, Entry, EntryError, Heartbeat, Incarnation, LoggedMessage, Record};
use super::seen::{Seen, Verdict};
use crate::log::name::{Lane, Lanes};
use crate::log::position::{EntryId, Offset, Position};

mod reader;

use reader::Reader;

/// What a node must apply to its state, in this order.
#[derive(Debug)]
pub(crate) enum Event<'e> {
    /// The lane is read from here on.
    Started { at: Position },
    /// A message of a topic.
    Message {
        at: Position,
        author: Incarnation,
        message: &'e LoggedMessage,
    },
    /// A message that was relayed at best effort.
    Relayed {
        at: Position,
        author: Incarnation,
        message: &'e LoggedMessage,
    },
    /// Another record: about members.
    Record {
        at: Position,
        author: Incarnation,
        record: &'e Record,
    },
    /// A node lives.
    Heartbeat {
        at: Position,
        author: Incarnation,
        heartbeat: &'e Heartbeat,
    },
    /// The end of a new entry of this incarnation.
    Entry {
        at: Position,
        author: Incarnation,
        number: u64,
        content: Content,
    },
    /// The end of an entry that changes nothing.
    Skipped { at: Position },
    /// Messages of the lane before this position may be missing.
    Reset { at: Position, reason: ResetReason },
}

impl Event<'_> {
    /// The position of the event.
    pub(crate) const fn at(&self) -> Position {
        match self {
            Self::Started { at }
            | Self::Message { at, .. }
            | Self::Relayed { at, .. }
            | Self::Record { at, .. }
            | Self::Heartbeat { at, .. }
            | Self::Entry { at, .. }
            | Self::Skipped { at }
            | Self::Reset { at, .. } => *at,
        }
    }
}

impl Event<'_> {
    /// The author of what was read.
    pub(crate) const fn author(&self) -> Option<Incarnation> {
        match self {
            Self::Message { author, .. }
            | Self::Relayed { author, .. }
            | Self::Record { author, .. }
            | Self::Heartbeat { author, .. }
            | Self::Entry { author, .. } => Some(*author),
            Self::Started { .. } | Self::Skipped { .. } | Self::Reset { .. } => None,
        }
    }
}

/// Why clients must get a reset.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ResetReason {
    /// The server of the log was restarted, replaced or flushed.
    Generation,
    /// Entries were lost, or were removed before this node has read them.
    Lost,
    /// The same for messages only: an entry may be the copy of one that was removed unread.
    Uncertain,
}

/// Entries and records that were skipped, since the start.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct SkippedCounts {
    pub(crate) repeated: u64,
    /// Entries that may be repeated: their first copy may have been removed unread.
    pub(crate) uncertain: u64,
    /// Entries of incarnations past the limit, and deaths that were forgotten before their time.
    pub(crate) refused: u64,
    pub(crate) foreign: u64,
    /// Malformed and oversized entries.
    pub(crate) malformed: u64,
    /// Entries and records of later versions.
    pub(crate) newer: u64,
}

/// Reads the lanes of a log.
#[derive(Debug)]
pub(crate) struct Follower {
    lanes: Vec<Reader>,
    seen: Seen,
    skipped: SkippedCounts,
    /// The highest version that is read.
    version: u8,
}

impl Follower {
    pub(crate) fn new(lanes: Lanes, version: u8) -> Self {
        Self {
            version,
            lanes: lanes.iter().map(Reader::new).collect(),
            seen: Seen::new(lanes),
            skipped: SkippedCounts::default(),
        }
    }

    /// The entries that were skipped.
    pub(crate) const fn skipped(&self) -> SkippedCounts {
        self.skipped
    }

    /// Continues a lane from where it was read, or in a new generation behind its marker.
    pub(crate) fn opened(&mut self, lane: Lane, opened: &Opened, emit: &mut impl FnMut(Event<'_>)) {
        let reader = &mut self.lanes[lane.index()];
        match reader.generation {
            None => emit(Event::Started {
                at: reader.start(opened),
            }),
            Some(generation) if generation == opened.generation => {}
            Some(_) => emit(Event::Reset {
                at: reader.start(opened),
                reason: ResetReason::Generation,
            }),
        }
    }

    /// Whether the whole log was read once.
    pub(crate) const fn is_caught_up(&self) -> bool {
        self.seen.is_complete()
    }

    /// Where to read all opened lanes next.
    pub(crate) fn begin_read(&mut self) -> Vec<ReadFrom> {
        let round = self.seen.begin_read();
        let from = self.lanes.iter().filter_map(|reader| {
            Some(ReadFrom {
                lane: reader.lane,
                generation: reader.generation?,
                after: reader.end.entry,
                relayed_after: reader.relayed,
                round,
            })
        });
        from.collect()
    }

    /// Applies what was read of a lane.
    pub(crate) fn apply(&mut self, read: LaneRead, emit: &mut impl FnMut(Event<'_>)) {
        let lane = read.lane.index();
        if self.lanes[lane].generation != Some(read.generation) {
            // The lane was opened again since.
            return;
        }
        self.relay(&read, emit);
        if let (Some(census), Some((first, _))) = (&read.census, read.entries.first())
            && self.lanes[lane].lags_behind(census, *first)
        {
            // Before its messages: a client that has them must not move to another node unreset.
            emit(Event::Reset {
                at: Position {
                    generation: read.generation,
                    lane: read.lane,
                    offset: Offset::before(*first),
                },
                reason: ResetReason::Lost,
            });
        }
        for (id, bytes) in read.entries {
            if id > self.lanes[lane].end.entry {
                self.apply_entry(read.lane, id, bytes, emit);
            }
        }
        let reader = &mut self.lanes[lane];
        let Some(generation) = reader.generation else {
            return;
        };
        let mut is_lost = read.is_end && self.seen.drained(read.lane, read.round);
        if let Some(census) = read.census {
            is_lost |= reader.misses_entries(&census);
        }
        if is_lost {
            emit(Event::Reset {
                at: reader.at(generation),
                reason: ResetReason::Lost,
            });
        }
    }

    /// Passes on relayed messages. They are in no order with entries, and none is repeated.
    fn relay(&mut self, read: &LaneRead, emit: &mut impl FnMut(Event<'_>)) {
        let reader = &mut self.lanes[read.lane.index()];
        let at = reader.at(read.generation);
        for (id, bytes) in &read.relayed {
            if *id <= reader.relayed {
                continue;
            }
            reader.relayed = *id;
            let entry = match Entry::decode_up_to(bytes.clone(), self.version) {
                Ok(entry) => entry,
                Err(error) => {
                    self.skipped.count(error);
                    continue;
                }
            };
            let (author, Body::Records(records)) = (entry.incarnation, &entry.body) else {
                continue;
            };
            for record in records {
                match record {
                    Record::Message(message) => emit(Event::Relayed {
                        at,
                        author,
                        message,
                    }),
                    // Nothing else is relayed.
                    _ => self.skipped.newer += 1,
                }
            }
        }
    }

    fn apply_entry(
        &mut self,
        lane: Lane,
        id: EntryId,
        bytes: Bytes,
        emit: &mut impl FnMut(Event<'_>),
    ) {
        let reader = &mut self.lanes[lane.index()];
        let Some(generation) = reader.generation else {
            return;
        };
        reader.added += 1;
        reader.end = Offset::before(id);
        let start = reader.at(generation);
        let entry = match Entry::decode_up_to(bytes, self.version) {
            Ok(entry) => entry,
            Err(error) => {
                self.skipped.count(error);
                emit(Event::Skipped { at: start });
                return;
            }
        };
        if let Body::Marker(generation) = entry.body {
            if reader.generation.replace(generation) == Some(generation) {
                emit(Event::Skipped { at: start });
            } else {
                let reason = ResetReason::Generation;
                let at = reader.at(generation);
                emit(Event::Reset { at, reason });
            }
            return;
        }
        let is_repeatable = matches!(entry.body, Body::Records(_));
        let may_be_repeated = is_repeatable && reader.may_have_missed_a_copy(&entry);
        let verdict = self.seen.entry(lane, entry.incarnation, entry.number);
        match verdict {
            Verdict::New | Verdict::BehindGap if may_be_repeated => {
                self.skip_uncertain((start, verdict), &entry, emit);
                return;
            }
            Verdict::New => {}
            Verdict::BehindGap => {
                let reason = ResetReason::Lost;
                emit(Event::Reset { at: start, reason });
            }
            Verdict::Repeated => {
                self.skipped.repeated += 1;
                emit(Event::Skipped { at: start });
                return;
            }
            Verdict::Refused => {
                self.skipped.refused += 1;
                emit(Event::Skipped { at: start });
                return;
            }
        }
        self.deliver(start, &entry, emit);
    }

    /// Skips an entry of which the reader may have missed the first copy. Other nodes have had that
    /// one, so a client that comes from there must not get the messages again.
    fn skip_uncertain(
        &mut self,
        (start, verdict): (Position, Verdict),
        entry: &Entry,
        emit: &mut impl FnMut(Event<'_>),
    ) {
        self.skipped.uncertain += 1;
        let Body::Records(records) = &entry.body else {
            return;
        };
        let is_message = |record: &Record| matches!(record, Record::Message(_));
        // What was lost before it may be anything.
        let is_known = verdict == Verdict::New && records.iter().all(is_message);
        let reason = if is_known {
            ResetReason::Uncertain
        } else {
            ResetReason::Lost
        };
        let reader = &mut self.lanes[start.lane.index()];
        reader.end = Offset::behind(start.offset.entry);
        emit(Event::Reset {
            at: Position {
                offset: reader.end,
                ..start
            },
            reason,
        });
    }

    fn deliver(&mut self, start: Position, entry: &Entry, emit: &mut impl FnMut(Event<'_>)) {
        let mut at = start;
        let mut content = Content::Records;
        let author = entry.incarnation;
        match &entry.body {
            Body::Records(records) => {
                for record in records {
                    at.offset.index += 1;
                    match record {
                        Record::Message(message) => emit(Event::Message {
                            at,
                            author,
                            message,
                        }),
                        Record::Unknown => self.skipped.newer += 1,
                        record => emit(Event::Record { at, author, record }),
                    }
                }
            }
            Body::Empty => content = Content::Empty,
            Body::Heartbeat(heartbeat) => {
                self.seen.heartbeat(author, &heartbeat.accepted);
                emit(Event::Heartbeat {
                    at,
                    author,
                    heartbeat,
                });
            }
            Body::Marker(_) => {}
        }
        self.lanes[at.lane.index()].end = at.offset;
        emit(Event::Entry {
            at,
            author,
            number: entry.number,
            content,
        });
    }

    /// An incarnation is dead.
    pub(crate) fn died(&mut self, incarnation: Incarnation, now: Instant) {
        self.skipped.refused += self.seen.died(incarnation, now);
    }

    /// Forgets incarnations that died longer than the age of the window ago.
    pub(crate) fn forget_dead(&mut self, age: Duration, now: Instant) {
        self.seen.forget_dead(age, now);
    }
}

impl SkippedCounts {
    /// Entries and records that could not be read, or were refused.
    pub(crate) const fn unread(&self) -> u64 {
        self.refused + self.foreign + self.malformed + self.newer
    }

    fn count(&mut self, error: EntryError) {
        *match error {
            EntryError::Foreign => &mut self.foreign,
            EntryError::Newer { .. } => &mut self.newer,
            EntryError::Malformed | EntryError::TooLarge { .. } => &mut self.malformed,
        } += 1;
    }
}

#[cfg(test)]
mod tests;
