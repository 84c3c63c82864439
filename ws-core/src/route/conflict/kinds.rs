//! The kinds of the segments of a pattern as bits, without their texts: they decide which of two
//! patterns is more specific.

use super::parsers::parser_number;
use crate::route::{MAX_SEGMENTS, Segment};

/// The number of segments of the longest pattern that is compared: a prefix and a pattern of the
/// maximum length each.
const MAX_LEN: usize = 2 * MAX_SEGMENTS;
const _: () = assert!(MAX_LEN == u64::BITS as usize);

/// Bits per typed parameter in [`Kinds::parsers`].
const PARSER_BITS: usize = 4;
const _: () = assert!(PARSER_BITS * MAX_SEGMENTS == u128::BITS as usize);

/// The kinds of the segments of a pattern. In the masks, the lowest bit is the first segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Kinds {
    /// The high and the low bit of the weight of each segment. After the end of a pattern, this is
    /// the weight of a literal; from a wildcard on, the weight of the wildcard.
    high: u64,
    low: u64,
    /// The number of segments before the end or the wildcard.
    len: usize,
    has_rest: bool,
    /// The reader of each typed parameter, the first in the lowest bits.
    parsers: u128,
}

/// The relation of two patterns, as far as their kinds decide it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Relation {
    /// No path matches both, or one pattern is more specific.
    Unambiguous,
    /// The patterns are ambiguous if a path matches both.
    Ambiguous,
    /// The patterns are ambiguous if a path matches both and the types of some parameter differ.
    DependsOnTypes,
}

impl Kinds {
    /// The kinds of a pattern.
    pub(super) const fn of(shape: &[Segment]) -> Self {
        let mut kinds = Self {
            high: u64::MAX,
            low: u64::MAX,
            len: 0,
            has_rest: false,
            parsers: 0,
        };
        let mut typed = 0;
        while kinds.len < shape.len() && kinds.len < MAX_SEGMENTS {
            let segment = shape[kinds.len];
            if let Segment::Rest = segment {
                let before = ones(kinds.len);
                kinds.high &= before;
                kinds.low &= before;
                kinds.has_rest = true;
                break;
            }
            let bit = 1 << kinds.len;
            if segment.weight() & 2 == 0 {
                kinds.high ^= bit;
            }
            if segment.weight() & 1 == 0 {
                kinds.low ^= bit;
            }
            if let Segment::Typed(ty) = segment {
                kinds.parsers |= parser_number(ty) << (PARSER_BITS * typed);
                typed += 1;
            }
            kinds.len += 1;
        }
        kinds
    }

    /// The kinds of the pattern after this number of prefix literals, at most [`MAX_SEGMENTS`].
    pub(super) const fn with_prefix(self, prefix: usize) -> Self {
        Self {
            high: (self.high << prefix) | ones(prefix),
            low: (self.low << prefix) | ones(prefix),
            len: prefix + self.len,
            ..self
        }
    }

    /// The mask of the literal segments.
    pub(super) const fn literals(&self) -> u64 {
        self.high & self.low & ones(self.len)
    }

    /// The mask of the typed parameters.
    pub(super) const fn typed(&self) -> u64 {
        self.high & !self.low
    }

    /// Whether two patterns differ only in texts and names of types.
    pub(super) const fn equals(&self, other: &Self) -> bool {
        self.high == other.high
            && self.low == other.low
            && self.len == other.len
            && self.has_rest == other.has_rest
            && self.parsers == other.parsers
    }

    /// Relates two patterns without their texts.
    pub(super) const fn relation(&self, other: &Self) -> Relation {
        let can_be_as_long = match (self.has_rest, other.has_rest) {
            (false, false) => self.len == other.len,
            (true, false) => self.len <= other.len,
            (false, true) => other.len <= self.len,
            (true, true) => true,
        };
        if !can_be_as_long {
            return Relation::Unambiguous;
        }
        let same_high = !(self.high ^ other.high);
        let more = (self.high & !other.high) | (same_high & self.low & !other.low);
        let less = (other.high & !self.high) | (same_high & other.low & !self.low);
        if (more == 0) == (less == 0) {
            Relation::Ambiguous
        } else if self.typed() & other.typed() != 0 {
            Relation::DependsOnTypes
        } else {
            Relation::Unambiguous
        }
    }
}

/// A mask of this many low bits.
const fn ones(count: usize) -> u64 {
    if count < MAX_LEN {
        (1 << count) - 1
    } else {
        u64::MAX
    }
}
