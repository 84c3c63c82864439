//! Positions in the log.

use std::cmp::Ordering;

use super::codec::{Input, Malformed, put_number};
use super::name::{Lane, MAX_LANES};
use super::random;
use crate::wire::{EntryPlace, LanePlace};

/// The id of an entry, increasing within a lane and never used again: the time and the sequence
/// number of a Redis stream.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct EntryId {
    /// The first part, for example milliseconds. It need not be a time.
    pub time: u64,
    /// The second part: distinguishes entries with the same time.
    pub sequence: u64,
}

impl EntryId {
    /// Before every entry.
    pub const ZERO: Self = Self::new(0, 0);

    /// Creates the id of an entry.
    pub const fn new(time: u64, sequence: u64) -> Self {
        Self { time, sequence }
    }
}

/// Identifies the server that holds a lane, and its uninterrupted memory: a restart, a failover or
/// a flush starts another generation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Generation(pub u64);

impl Generation {
    /// A generation that no other server has.
    ///
    /// # Panics
    ///
    /// Panics if the operating system provides no random numbers.
    pub fn random() -> Self {
        Self(random::number())
    }
}

/// An offset in a lane: between two records.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Offset {
    pub(crate) entry: EntryId,
    /// The number of records of the entry before this offset; 0 is before the entry.
    pub(crate) index: u16,
}

impl Offset {
    /// Before every entry.
    pub(crate) const ZERO: Self = Self::before(EntryId::ZERO);

    pub(crate) const fn new(entry: EntryId, index: u16) -> Self {
        Self { entry, index }
    }

    /// The offset behind all records of an entry, however many it has.
    #[cfg(feature = "cluster")]
    pub(crate) const fn behind(entry: EntryId) -> Self {
        Self::new(entry, u16::MAX)
    }

    /// The offset before the first record of an entry.
    pub(crate) const fn before(entry: EntryId) -> Self {
        Self::new(entry, 0)
    }
}

impl From<EntryPlace> for Offset {
    fn from(place: EntryPlace) -> Self {
        Self::new(EntryId::new(place.time, place.sequence), place.index)
    }
}

/// A position in the log: an offset in one of its lanes. That of a message is behind it: "received
/// up to here".
///
/// Positions of different lanes or generations have no order.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Position {
    pub(crate) generation: Generation,
    pub(crate) lane: Lane,
    pub(crate) offset: Offset,
}

impl PartialOrd for Position {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        let comparable = self.generation == other.generation && self.lane == other.lane;
        comparable.then(|| self.offset.cmp(&other.offset))
    }
}

impl Position {
    /// The place of this position, for pages.
    pub(crate) fn place(&self) -> LanePlace {
        let Offset { entry, index } = self.offset;
        LanePlace {
            lane: self.lane.0,
            place: Some(EntryPlace {
                time: entry.time,
                sequence: entry.sequence,
                index,
            }),
        }
    }

    /// The place that pages get with a replayed message, if this is the end of the lane: only the
    /// last message of a replay has one.
    pub(crate) fn place_in_replay(&self, is_last: bool) -> LanePlace {
        let head = self.place();
        LanePlace {
            place: head.place.filter(|_| is_last),
            ..head
        }
    }

    pub(super) fn put(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(&self.generation.0.to_be_bytes());
        put_number(to, self.lane.0.into());
        put_offset(to, self.offset);
    }

    pub(super) fn get(input: &mut Input) -> Result<Self, Malformed> {
        let generation = Generation(input.u64()?);
        let lane = get_lane(input)?;
        let offset = get_offset(input)?;
        Ok(Self {
            generation,
            lane,
            offset,
        })
    }
}

/// Checks that a position, if the bytes are one, has no other form.
#[cfg(fuzzing)]
pub(super) fn check_round_trip(bytes: &[u8]) {
    let mut input = Input::new(bytes.to_vec().into());
    let position = Position::get(&mut input);
    if let Ok(position) = position
        && input.is_empty()
    {
        let mut written = Vec::new();
        position.put(&mut written);
        assert_eq!(written, bytes);
    }
}

pub(super) fn put_offset(to: &mut Vec<u8>, offset: Offset) {
    put_number(to, offset.entry.time);
    put_number(to, offset.entry.sequence);
    put_number(to, offset.index.into());
}

pub(super) fn get_offset(input: &mut Input) -> Result<Offset, Malformed> {
    let entry = EntryId::new(input.number()?, input.number()?);
    let index = u16::try_from(input.number()?).map_err(|_| Malformed)?;
    Ok(Offset::new(entry, index))
}

fn get_lane(input: &mut Input) -> Result<Lane, Malformed> {
    let lane = u16::try_from(input.number()?).map_err(|_| Malformed)?;
    Some(Lane(lane))
        .filter(|lane| lane.0 < MAX_LANES)
        .ok_or(Malformed)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn position(generation: u64, lane: u16, time: u64, index: u16) -> Position {
        Position {
            generation: Generation(generation),
            lane: Lane(lane),
            offset: Offset::new(EntryId::new(time, 0), index),
        }
    }

    #[test]
    fn positions_are_ordered_within_a_generation_and_a_lane() {
        assert!(position(1, 2, 3, 4) < position(1, 2, 3, 5));
        assert!(position(1, 2, 3, 64) < position(1, 2, 4, 0));
        assert_eq!(
            position(1, 2, 3, 4).partial_cmp(&position(2, 2, 3, 5)),
            None
        );
        assert_eq!(
            position(1, 2, 3, 4).partial_cmp(&position(1, 3, 3, 5)),
            None
        );
    }

    #[test]
    fn a_position_is_read_as_it_was_written() {
        let written = position(u64::MAX, 255, 1_700_000_000_000, 64);
        let mut bytes = Vec::new();
        written.put(&mut bytes);
        let mut input = Input::new(bytes.clone().into());
        assert_eq!(Position::get(&mut input), Ok(written));
        assert!(input.is_empty());
        for cut in 0..bytes.len() {
            let mut input = Input::new(Bytes::copy_from_slice(&bytes[..cut]));
            assert_eq!(Position::get(&mut input), Err(Malformed), "{cut}");
        }
        let mut bytes = Vec::new();
        position(1, 256, 1, 1).put(&mut bytes);
        assert_eq!(Position::get(&mut Input::new(bytes.into())), Err(Malformed));
    }
}
