//! Compares the declarations of several `topics!` blocks at compile time.

use super::declaration::{Declaration, Part};
use super::declared::TopicBlock;
use crate::compile_error::CompileError;

/// Several `topics!` blocks with a name: a tuple of 2 to 8.
///
/// ```
/// use ws_server::topic::TopicBlocks;
///
/// mod chat {
///     ws_server::topics! { pub struct Topics; pub Room: "room/{id: u64}" => String; }
/// }
/// mod prices {
///     ws_server::topics! { pub struct Topics; pub Price: "price/{symbol}" => u32; }
/// }
///
/// fn are_blocks<B: TopicBlocks>() -> bool { true }
/// assert!(are_blocks::<(chat::Topics, prices::Topics)>());
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no tuple of 2 to 8 `topics!` blocks",
    label = "not a tuple of blocks",
    note = "name each block by `pub struct Topics;` in its first line"
)]
pub trait TopicBlocks {
    #[doc(hidden)]
    const ALL: &'static [&'static [&'static Declaration]];
}

macro_rules! tuples {
    ($first:ident $($block:ident)*) => {
        impl<$first: TopicBlock, $($block: TopicBlock),*> TopicBlocks for ($first, $($block),*) {
            const ALL: &'static [&'static [&'static Declaration]] =
                &[$first::DECLARATIONS, $($block::DECLARATIONS),*];
        }
        tuples!(@next $($block)*);
    };
    (@next $last:ident) => {};
    (@next $($block:ident)+) => { tuples!($($block)+); };
}

tuples!(A B C D E F G H);

/// Checks at compile time that no two blocks declare a topic of the same name. Within one block,
/// `topics!` checks that itself, and a hub panics when it first uses a topic whose name another
/// declaration has as well.
///
/// ```
/// mod chat {
///     ws_server::topics! { pub struct Topics; pub Room: "room/{id: u64}" => String; }
/// }
/// mod prices {
///     ws_server::topics! { pub struct Topics; pub Price: "price/{symbol}" => u32; }
/// }
///
/// const _: () = ws_server::topic::assert_distinct::<(chat::Topics, prices::Topics)>();
/// ```
///
/// # Panics
///
/// If two blocks name the same topic; in a constant, that is a compile error.
pub const fn assert_distinct<B: TopicBlocks>() {
    let blocks = B::ALL;
    let mut one = 0;
    while one < blocks.len() {
        let mut other = one + 1;
        while other < blocks.len() {
            if let Some(error) = conflict(blocks[one], blocks[other]) {
                panic!("{}", error.as_str());
            }
            other += 1;
        }
        one += 1;
    }
}

/// The first conflict between two blocks.
const fn conflict(
    one: &[&'static Declaration],
    other: &[&'static Declaration],
) -> Option<CompileError> {
    let mut at = 0;
    while at < one.len() {
        let mut beside = 0;
        while beside < other.len() {
            if have_common_name(one[at].parts(), other[beside].parts()) {
                return Some(overlap(one[at], other[beside]));
            }
            beside += 1;
        }
        at += 1;
    }
    None
}

const fn have_common_name(one: &[Part], other: &[Part]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    let mut at = 0;
    while at < one.len() {
        if let (Part::Text(one), Part::Text(other)) = (one[at], other[at])
            && !is_equal(one.as_bytes(), other.as_bytes())
        {
            return false;
        }
        at += 1;
    }
    true
}

const fn is_equal(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    let mut at = 0;
    while at < one.len() {
        if one[at] != other[at] {
            return false;
        }
        at += 1;
    }
    true
}

const fn overlap(one: &Declaration, other: &Declaration) -> CompileError {
    let mut text = CompileError::EMPTY
        .add("the topics `")
        .add(one.pattern())
        .add("` and `")
        .add(other.pattern())
        .add("` of two blocks both name \"");
    let (one, other) = (one.parts(), other.parts());
    let mut at = 0;
    while at < one.len() {
        if at > 0 {
            text = text.add("/");
        }
        text = match (one[at], other[at]) {
            (Part::Text(part), _) | (_, Part::Text(part)) => text.add(part),
            (Part::Parameter, Part::Parameter) => text.add("x"),
        };
        at += 1;
    }
    text.add("\"\nhelp: change a literal segment of one of them")
}

#[cfg(test)]
mod tests {
    use super::Part::{Parameter, Text};
    use super::*;

    const ROOM: &Declaration = &Declaration::new("room/{id: u64}", &[Text("room"), Parameter]);
    const LOBBY: &Declaration = &Declaration::new("room/lobby", &[Text("room"), Text("lobby")]);
    const ANY: &Declaration = &Declaration::new("{a}/{b}", &[Parameter, Parameter]);
    const HALL: &Declaration = &Declaration::new("hall/{id}", &[Text("hall"), Parameter]);
    const LONG: &Declaration =
        &Declaration::new("room/{id}/seen", &[Text("room"), Parameter, Text("seen")]);

    fn text(one: &[&'static Declaration], other: &[&'static Declaration]) -> Option<String> {
        conflict(one, other).map(|error| error.as_str().to_owned())
    }

    #[test]
    fn the_first_common_name_of_two_blocks_is_shown() {
        assert_eq!(text(&[ROOM, LONG], &[HALL]), None);
        assert_eq!(text(&[], &[HALL]), None);
        let expected = "the topics `room/{id: u64}` and `room/lobby` of two blocks both name \
                        \"room/lobby\"\nhelp: change a literal segment of one of them";
        assert_eq!(
            text(&[HALL, ROOM], &[LONG, LOBBY]).as_deref(),
            Some(expected)
        );
        let of_parameters = text(&[ANY], &[HALL]).unwrap();
        assert!(
            of_parameters.contains("both name \"hall/x\""),
            "{of_parameters}"
        );
    }

    struct Rooms;
    struct Halls;
    struct Lobbies;

    impl TopicBlock for Rooms {
        const DECLARATIONS: &'static [&'static Declaration] = &[ROOM];
    }
    impl TopicBlock for Halls {
        const DECLARATIONS: &'static [&'static Declaration] = &[HALL];
    }
    impl TopicBlock for Lobbies {
        const DECLARATIONS: &'static [&'static Declaration] = &[LOBBY];
    }

    const _: () = assert_distinct::<(Rooms, Halls)>();

    #[test]
    fn every_pair_of_blocks_is_compared() {
        let panics = |check: fn()| std::panic::catch_unwind(check).is_err();
        assert!(!panics(assert_distinct::<(Halls, Lobbies)>));
        assert!(panics(assert_distinct::<(Rooms, Lobbies)>));
        assert!(panics(assert_distinct::<(Halls, Rooms, Lobbies)>));
        assert!(panics(assert_distinct::<(Rooms, Halls, Lobbies)>));
    }
}
