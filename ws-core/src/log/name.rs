//! The names of topics, and the lanes that they belong to.

use std::borrow::Borrow;
use std::fmt;
use std::num::NonZeroU16;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use sha2::{Digest, Sha256};

/// Bytes of the longest name of a topic.
pub(crate) const MAX_NAME: usize = 256;

/// Separates the beginning of a shortened name from the hash of the whole. Parameters are
/// percent-encoded, so no other name contains it.
const HASH_MARK: char = '#';

/// The number of lanes of a log.
const DEFAULT_LANES: u16 = 8;

/// The highest number of lanes.
pub(crate) const MAX_LANES: u16 = 256;

/// The name of a declared topic: at most 256 bytes. Cloning is cheap.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicName(Arc<str>);

impl TopicName {
    /// Creates a name. One of more than 256 bytes is shortened: its end is replaced by a hash of the
    /// whole, so different names stay different.
    pub fn new(name: String) -> Self {
        if name.len() <= MAX_NAME {
            return Self(name.into());
        }
        let hash = BASE64.encode(Sha256::digest(&name));
        let mut end = MAX_NAME - hash.len() - HASH_MARK.len_utf8();
        while !name.is_char_boundary(end) {
            end -= 1;
        }
        Self(format!("{}{HASH_MARK}{hash}", &name[..end]).into())
    }

    /// Whether it is the address of a push to pages: no pattern of a topic begins with `#`.
    #[cfg(feature = "cluster")]
    pub(crate) fn is_address(&self) -> bool {
        self.0.starts_with('#')
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for TopicName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for TopicName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// One of the ordered streams of a log.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Lane(pub u16);

impl Lane {
    /// The lane of heartbeats and of everything that concerns all topics.
    #[cfg(feature = "cluster")]
    pub(crate) const CONTROL: Self = Self(0);

    /// The index of this lane in a list of all lanes.
    pub fn index(self) -> usize {
        self.0.into()
    }
}

/// The number of lanes of a log: 1 to 256.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lanes(NonZeroU16);

impl Lanes {
    /// The default: 8.
    pub const DEFAULT: Self = match Self::new(DEFAULT_LANES) {
        Some(lanes) => lanes,
        None => panic!("the default number of lanes is in range"),
    };

    /// Returns `None` if the count is out of range.
    pub const fn new(count: u16) -> Option<Self> {
        match NonZeroU16::new(count) {
            Some(count) if count.get() <= MAX_LANES => Some(Self(count)),
            _ => None,
        }
    }

    /// The number.
    pub fn count(self) -> usize {
        self.0.get().into()
    }

    /// All lanes.
    pub fn iter(self) -> impl Iterator<Item = Lane> {
        (0..self.0.get()).map(Lane)
    }

    /// The lane of a topic. It depends only on the name and the number of lanes, in every process
    /// and every version: all nodes must agree on it.
    pub fn of(self, topic: &TopicName) -> Lane {
        // FNV-1a. Its low bits depend on the low bits of the input alone, so the halves are mixed.
        let hash = topic
            .as_str()
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
                (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
            });
        self.of_hash(hash ^ hash >> 32)
    }

    /// The lane of what has this hash.
    pub(crate) fn of_hash(self, hash: u64) -> Lane {
        let lane = hash % u64::from(self.0.get());
        Lane(u16::try_from(lane).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_ends_with_the_hash_of_the_whole() {
        let longest = "x".repeat(256);
        assert_eq!(TopicName::new(longest.clone()).as_str(), longest);
        let name = |last| TopicName::new(format!("{}{last}", "x".repeat(256)));
        assert_ne!(name('a'), name('b'));
        assert_eq!(name('a'), name('a'));
        let shortened = name('a');
        let (begin, hash) = shortened.as_str().split_once('#').unwrap();
        assert_eq!((begin.len(), hash.len()), (212, 43));
        assert!(begin.bytes().all(|byte| byte == b'x'));
        // A character is never cut in half.
        let wide = TopicName::new("é".repeat(200) + "x");
        assert!(wide.as_str().starts_with(&"é".repeat(106)));
        let odd = TopicName::new("x".to_owned() + &"é".repeat(200));
        assert_eq!(odd.as_str().len(), 255);
    }

    #[test]
    fn the_lane_of_a_name_never_changes() {
        let lanes = |name: &str, count| {
            let name = TopicName::new(name.to_owned());
            Lanes::new(count).unwrap().of(&name).0
        };
        let names = ["room/7", "room/8", "price/EUR", "room/7/typing", "ü"];
        assert_eq!(names.map(|name| lanes(name, 8)), [4, 1, 5, 5, 5]);
        assert_eq!(names.map(|name| lanes(name, 1)), [0; 5]);
    }

    #[test]
    fn names_spread_evenly_over_the_lanes() {
        let mut counts = [0; 8];
        for room in 0..8_000 {
            let name = TopicName::new(format!("room/{room}"));
            counts[Lanes::DEFAULT.of(&name).index()] += 1;
        }
        assert!(
            counts.iter().all(|count| (800..1_200).contains(count)),
            "{counts:?}"
        );
    }

    #[test]
    fn the_number_of_lanes_is_limited() {
        assert_eq!(Lanes::new(0), None);
        assert_eq!(Lanes::new(257), None);
        assert_eq!(Lanes::new(256).unwrap().iter().count(), 256);
        assert_eq!(Lanes::DEFAULT.count(), 8);
    }
}
