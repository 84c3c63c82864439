//! Cursors: a place in each lane, up to which a client has received everything.

use bytes::Bytes;

use super::codec::{Input, Malformed, put_number};
use super::name::{Lane, MAX_LANES};
#[cfg(test)]
use super::position::EntryId;
use super::position::{Generation, Offset, Position, get_offset, put_offset};
use crate::wire::LanePlace;

/// A place in each lane. The place in a lane is unknown while a replay of one of its topics is not
/// complete.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Cursor {
    lanes: Vec<LaneCursor>,
}

/// A place in one lane. Lanes that different servers hold have different generations.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct LaneCursor {
    generation: Generation,
    offset: Option<Offset>,
}

/// The place is known.
const KNOWN: u8 = 1;

/// The generation is not that of the lane before, and follows.
const OTHER_GENERATION: u8 = 2;

/// Why places do not continue a cursor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum InvalidCursor {
    /// A lane that does not exist.
    Impossible,
    /// Behind the end of the log.
    Ahead,
    /// A place before the cursor.
    Behind,
    /// The cursor is of another generation of the log.
    OtherGeneration,
}

impl Cursor {
    pub(super) fn new(generation: Generation, lanes: Vec<Option<Offset>>) -> Self {
        let lanes = lanes.into_iter();
        let lanes = lanes.map(|offset| LaneCursor { generation, offset });
        Self {
            lanes: lanes.collect(),
        }
    }

    /// The ends of all lanes, in their order; `None` for a lane that was not read yet.
    #[cfg(feature = "cluster")]
    pub(super) fn of_heads(heads: impl Iterator<Item = Option<Position>>) -> Self {
        let unknown = LaneCursor {
            generation: Generation(0),
            offset: None,
        };
        let lane = |head: Position| LaneCursor {
            generation: head.generation,
            offset: Some(head.offset),
        };
        let lanes = heads.map(|head| head.map_or(unknown, lane));
        Self {
            lanes: lanes.collect(),
        }
    }

    /// The position in a lane, if it is known.
    pub(crate) fn position(&self, lane: Lane) -> Option<Position> {
        let LaneCursor { generation, offset } = *self.lanes.get(lane.index())?;
        Some(Position {
            generation,
            lane,
            offset: offset?,
        })
    }

    /// Whether places of one cursor mean something to the other.
    pub(crate) fn is_comparable(&self, other: &Self) -> bool {
        let generations = |cursor: &Self| -> Vec<_> {
            let lanes = cursor.lanes.iter();
            lanes.map(|lane| lane.generation).collect()
        };
        generations(self) == generations(other)
    }

    /// The places of all lanes in which they are known, as pages get them.
    pub(crate) fn to_places(&self) -> String {
        let places: Vec<_> = self.positions().map(|at| at.place().to_string()).collect();
        places.join("-")
    }

    /// The positions in all lanes in which they are known.
    pub(crate) fn positions(&self) -> impl Iterator<Item = Position> + '_ {
        let lanes = (0..self.lanes.len()).filter_map(|lane| u16::try_from(lane).ok());
        lanes.filter_map(|lane| self.position(Lane(lane)))
    }

    /// Moves the cursor to the places that a client reports. `head` is the end of the log. A lane
    /// that has another generation there has no place any more.
    pub(crate) fn advance(
        mut self,
        places: &[LanePlace],
        head: &Self,
    ) -> Result<Self, InvalidCursor> {
        let first = |cursor: &Self| cursor.lanes.first().map(|lane| lane.generation);
        if self.lanes.len() != head.lanes.len() || first(&self) != first(head) {
            return Err(InvalidCursor::OtherGeneration);
        }
        for LanePlace { lane, place } in places {
            let lane = usize::from(*lane);
            let end = head.lanes.get(lane).ok_or(InvalidCursor::Impossible)?;
            let begin = &mut self.lanes[lane];
            if begin.generation != end.generation {
                continue;
            }
            let offset = place.map(Offset::from);
            if offset.is_some() && offset > end.offset {
                return Err(InvalidCursor::Ahead);
            }
            if offset.is_some() && offset < begin.offset {
                return Err(InvalidCursor::Behind);
            }
            begin.offset = offset;
        }
        for (lane, end) in self.lanes.iter_mut().zip(&head.lanes) {
            lane.offset = lane.offset.filter(|_| lane.generation == end.generation);
        }
        Ok(self)
    }

    /// The binary form.
    pub(crate) fn to_bytes(&self) -> Box<[u8]> {
        let mut bytes = Vec::new();
        put_number(&mut bytes, self.lanes.len() as u64);
        let mut last = None;
        for LaneCursor { generation, offset } in &self.lanes {
            let is_other = last.replace(*generation) != Some(*generation);
            let known = if offset.is_some() { KNOWN } else { 0 };
            bytes.push(known | if is_other { OTHER_GENERATION } else { 0 });
            if is_other {
                bytes.extend_from_slice(&generation.0.to_be_bytes());
            }
            if let Some(offset) = offset {
                put_offset(&mut bytes, *offset);
            }
        }
        bytes.into()
    }

    /// Reads the binary form.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Self::read(&mut Input::new(Bytes::copy_from_slice(bytes))).ok()
    }

    fn read(input: &mut Input) -> Result<Self, Malformed> {
        let count = input.number()?;
        if count > u64::from(MAX_LANES) {
            return Err(Malformed);
        }
        let mut lanes: Vec<LaneCursor> = Vec::new();
        for _ in 0..count {
            let flags = input.byte()?;
            let generation = if flags & OTHER_GENERATION != 0 {
                Generation(input.u64()?)
            } else {
                lanes.last().ok_or(Malformed)?.generation
            };
            let is_known = flags & KNOWN != 0;
            let offset = is_known.then(|| get_offset(input)).transpose()?;
            lanes.push(LaneCursor { generation, offset });
        }
        input.is_empty().then_some(Self { lanes }).ok_or(Malformed)
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
        assert_eq!(advance("0.0.9.2"), Err(InvalidCursor::Ahead));
        assert_eq!(advance("3.0.1.1"), Err(InvalidCursor::Impossible));
        let other = cursor(8, &[None; 3]).advance(&[], &cursor(7, &[None; 3]));
        assert_eq!(other, Err(InvalidCursor::OtherGeneration));
        let lanes = cursor(7, &[None; 2]).advance(&[], &cursor(7, &[None; 3]));
        assert_eq!(lanes, Err(InvalidCursor::OtherGeneration));
    }

    #[test]
    fn a_lane_of_another_generation_has_no_place() {
        let two = |second: u64, offset: u64| {
            let mut two = cursor(7, &[Some(1), Some(offset)]);
            two.lanes[1].generation = Generation(second);
            two
        };
        let places = parse_places("0.0.2.1-1.0.9.1", 8).unwrap();
        let mut head = two(8, 5);
        assert_eq!(two(8, 1).advance(&places, &head), Err(InvalidCursor::Ahead));
        head.lanes[0].offset = Some(Offset::new(EntryId::new(0, 3), 1));
        let advanced = two(6, 1).advance(&places, &head).unwrap();
        assert_eq!(advanced.position(Lane(1)), None);
        let first = advanced.position(Lane(0)).unwrap();
        assert_eq!(first.offset, Offset::new(EntryId::new(0, 2), 1));
        assert_eq!(Cursor::from_bytes(&two(6, 1).to_bytes()), Some(two(6, 1)));
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
