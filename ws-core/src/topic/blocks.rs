//! Compares the declarations of several `topics!` blocks at compile time.

use super::declaration::{Declaration, Part};
use super::declared::TopicBlock;
use crate::compile_error::{CompileError, equal};

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
    message = "`{Self}` is not a tuple of 2 to 8 `topics!` blocks",
    label = "not a tuple of blocks",
    note = "name each block by `pub struct Topics;` in its first line"
)]
pub trait TopicBlocks: Sized {
    #[doc(hidden)]
    const ALL: &'static [&'static [&'static Declaration]];

    /// The first name that two blocks have in common, as an error message.
    #[doc(hidden)]
    const COMMON_NAME: Option<CompileError> = common_name(Self::ALL);
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

const fn common_name(blocks: &[&'static [&'static Declaration]]) -> Option<CompileError> {
    let mut one = 0;
    while one < blocks.len() {
        let mut other = one + 1;
        while other < blocks.len() {
            if let Some(error) = conflict(blocks[one], blocks[other]) {
                return Some(error);
            }
            other += 1;
        }
        one += 1;
    }
    None
}

/// Checks at compile time that no two `topics!` blocks declare a topic of the same name.
///
/// Within one block, `topics!` checks that itself. A hub panics when it first uses a topic whose
/// name another declaration has as well.
///
/// ```
/// mod chat {
///     ws_server::topics! { pub struct Topics; pub Room: "room/{id: u64}" => String; }
/// }
/// mod prices {
///     ws_server::topics! { pub struct Topics; pub Price: "price/{symbol}" => u32; }
/// }
///
/// ws_server::distinct_topics!(chat::Topics, prices::Topics);
/// ```
#[macro_export]
macro_rules! distinct_topics {
    ($($block:ty),+ $(,)?) => {
        const _: () = if let Some(error) =
            <($($block,)+) as $crate::topic::TopicBlocks>::COMMON_NAME
        {
            panic!("{}", error.as_str())
        };
    };
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
            && !equal(one, other)
        {
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

    distinct_topics!(Rooms, Halls);

    #[test]
    fn every_pair_of_blocks_is_compared() {
        let names_the_lobby = |error: Option<CompileError>| {
            error.map(|error| error.as_str().contains("both name \"room/lobby\""))
        };
        assert_eq!(names_the_lobby(<(Halls, Lobbies)>::COMMON_NAME), None);
        for conflict in [
            <(Rooms, Lobbies)>::COMMON_NAME,
            <(Halls, Rooms, Lobbies)>::COMMON_NAME,
            <(Rooms, Halls, Lobbies)>::COMMON_NAME,
        ] {
            assert_eq!(names_the_lobby(conflict), Some(true));
        }
    }
}
