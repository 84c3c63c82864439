//! Cursors: a place in each lane, up to which a client has received everything.

use bytes::Bytes;

use super::codec::{Input, Malformed, put_number};
use super::name::{Lane, MAX_LANES};
use super::position::{EntryId, Generation, Offset, Position, get_offset, put_offset};
use crate::wire::LanePlace;

/// A place in each lane of one generation. The place in a lane is unknown while a replay of one of
/// its topics is not complete.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Cursor {
    generation: Generation,
    lanes: Vec<Option<Offset>>,
}

/// Why places do not continue a cursor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum InvalidCursor {
    /// A lane that does not exist, or a message that was never published.
    Impossible,
    /// A place before the cursor.
    Behind,
    /// The cursor is of another generation of the log.
    OtherGeneration,
}

impl Cursor {
    pub(super) const fn new(generation: Generation, lanes: Vec<Option<Offset>>) -> Self {
        Self { generation, lanes }
    }

    /// The position in a lane, if it is known.
    pub(crate) fn position(&self, lane: Lane) -> Option<Position> {
        let offset = *self.lanes.get(lane.index())?;
        Some(Position {
            generation: self.generation,
            lane,
            offset: offset?,
        })
    }

    /// Moves the cursor to the places that a client reports. `head` is the end of the log.
    pub(crate) fn advance(
        mut self,
        places: &[LanePlace],
        head: &Self,
    ) -> Result<Self, InvalidCursor> {
        let same = self.generation == head.generation && self.lanes.len() == head.lanes.len();
        if !same {
            return Err(InvalidCursor::OtherGeneration);
        }
        for LanePlace { lane, place } in places {
            let lane = usize::from(*lane);
            let end = head.lanes.get(lane).ok_or(InvalidCursor::Impossible)?;
            let offset = place.map(|place| {
                let entry = EntryId::new(place.time, place.sequence);
                Offset::new(entry, place.index)
            });
            if offset.is_some() && offset > *end {
                return Err(InvalidCursor::Impossible);
            }
            if offset.is_some() && offset < self.lanes[lane] {
                return Err(InvalidCursor::Behind);
            }
            self.lanes[lane] = offset;
        }
        Ok(self)
    }

    /// The binary form.
    pub(crate) fn to_bytes(&self) -> Box<[u8]> {
        let mut bytes = self.generation.0.to_be_bytes().to_vec();
        put_number(&mut bytes, self.lanes.len() as u64);
        for offset in &self.lanes {
            bytes.push(u8::from(offset.is_some()));
            put_offset(&mut bytes, offset.unwrap_or(Offset::ZERO));
        }
        bytes.into()
    }

    /// Reads the binary form.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Self::read(&mut Input::new(Bytes::copy_from_slice(bytes))).ok()
    }

    fn read(input: &mut Input) -> Result<Self, Malformed> {
        let generation = Generation(input.u64()?);
        let count = input.number()?;
        if count > u64::from(MAX_LANES) {
            return Err(Malformed);
        }
        let mut lanes = Vec::new();
        for _ in 0..count {
            let known = input.byte()? == 1;
            let offset = get_offset(input)?;
            lanes.push(Some(offset).filter(|_| known));
        }
        input
            .is_empty()
            .then_some(Self { generation, lanes })
            .ok_or(Malformed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::parse_places;

    fn cursor(generation: u64, lanes: &[Option<u64>]) -> Cursor {
        let offset = |sequence| Offset::new(EntryId::new(0, sequence), 1);
        let lanes = lanes.iter().map(|lane| lane.map(offset)).collect();
        Cursor::new(Generation(generation), lanes)
    }

    fn advance(places: &str) -> Result<Cursor, InvalidCursor> {
        let head = cursor(7, &[Some(9), Some(9), None]);
        let base = cursor(7, &[Some(5), Some(5), None]);
        base.advance(&parse_places(places, 8).unwrap(), &head)
    }

    #[test]
    fn a_cursor_moves_forward_to_places_that_exist() {
        assert_eq!(advance(""), Ok(cursor(7, &[Some(5), Some(5), None])));
        let moved = advance("1.0.9.1-0").unwrap();
        assert_eq!(moved, cursor(7, &[None, Some(9), None]));
        assert_eq!(moved.position(Lane(0)), None);
        assert_eq!(moved.position(Lane(3)), None);
        let known = moved.position(Lane(1)).unwrap();
        assert_eq!(known.offset, Offset::new(EntryId::new(0, 9), 1));
        assert_eq!(advance("0.0.5.0"), Err(InvalidCursor::Behind));
        assert_eq!(advance("0.0.9.2"), Err(InvalidCursor::Impossible));
        assert_eq!(advance("3.0.1.1"), Err(InvalidCursor::Impossible));
        let other = cursor(8, &[None; 3]).advance(&[], &cursor(7, &[None; 3]));
        assert_eq!(other, Err(InvalidCursor::OtherGeneration));
        let lanes = cursor(7, &[None; 2]).advance(&[], &cursor(7, &[None; 3]));
        assert_eq!(lanes, Err(InvalidCursor::OtherGeneration));
    }

    #[test]
    fn a_cursor_is_read_as_it_was_written() {
        let written = cursor(u64::MAX, &[Some(u64::MAX), None, Some(0)]);
        let bytes = written.to_bytes();
        assert_eq!(Cursor::from_bytes(&bytes), Some(written));
        for cut in 0..bytes.len() {
            assert_eq!(Cursor::from_bytes(&bytes[..cut]), None, "{cut}");
        }
        let longer = [&*bytes, &[0]].concat();
        assert_eq!(Cursor::from_bytes(&longer), None);
    }
}
