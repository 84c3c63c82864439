//! Topics under conditions, with attributes, and from the variables of another macro.
#![deny(warnings)]

use ws_server::prelude::*;

macro_rules! block {
    ($vis:vis $name:ident, $topic:ident, $pattern:literal, $value:ty, $count:literal) => {
        topics! {
            $vis struct $name;
            $vis $topic: $pattern => $value { history: $count, keep: 90s, presence: $value };
        }
    };
}

block!(pub(crate) Made, Hall, "hall/{id: u64}", String, 8);

/// A parameter that is `Copy`, which the macro cannot know.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Id(u8);

impl std::fmt::Display for Id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

topics! {
    #[derive(Clone, Copy, Default, PartialEq, Debug)]
    struct Topics;

    #[cfg(all())]
    Room: "room/{id: u64}" => u8;
    #[cfg(any())]
    Room: "room/{id: Missing}" => Missing { history: MISSING, keep: 1m, presence: Missing };
    #[cfg_attr(all(), cfg(any()), derive(Missing))]
    Gone: "gone" => Missing;
    #[derive(Copy, PartialOrd, Ord)]
    #[must_use]
    Seat: "seat/{id: Id}" => u8 { history: 1, keep: 1s };
    #[deprecated = "use `Room`"]
    #[allow(dead_code)]
    Old: "old/{id: u64}" => u8 { history: 1, keep: 1s, presence: u8 };
}

impl PartialOrd for Id {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Id {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}

pub(crate) fn main() {
    topics! {
        struct Inner;

        Local: "local/{id: u8}" => u8;
    }

    assert_eq!(Hall(1).name(), "hall/1");
    assert_eq!(Room(2).name(), "room/2");
    let seat = Seat(Id(3));
    let copy = seat;
    assert!(seat <= copy);
    assert_eq!(Local(4).name(), "local/4");
    let _ = (Topics, Made, Inner);
}
