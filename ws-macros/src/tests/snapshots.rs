//! The formatted output of the macros. A change of it should be visible in a review, because the
//! macros' users compile this code. `INSTA_UPDATE=always` updates the snapshots.

use insta::assert_snapshot;

use super::samples::{ASYNC_HOOKS, MAIN, PLACE, STATE, SYNC_HOOKS, TABLE, TOPICS};
use super::{Macro, tokens};
use crate::crate_path::HIDDEN;

/// Returns the formatted expansion. The version in the name of the hidden module is replaced.
fn formatted(of: Macro, input: &str) -> String {
    formatted_with(of, "", input)
}

/// Returns the same with arguments of the attribute.
fn formatted_with(of: Macro, arguments: &str, input: &str) -> String {
    let expansion = of.expand(tokens(arguments), tokens(input));
    let expansion = expansion.to_string().replace(HIDDEN, "__macro");
    let file = syn::parse_file(&expansion).expect("an expansion that parses");
    prettyplease::unparse(&file)
}

#[test]
fn handler_with_plain_hooks() {
    assert_snapshot!(formatted(Macro::Handler, SYNC_HOOKS));
}

#[test]
fn handler_with_async_hooks_and_extractors() {
    assert_snapshot!(formatted(Macro::Handler, ASYNC_HOOKS));
}

#[test]
fn handler_with_a_hook_under_a_condition() {
    let handler = "impl Room {
        fn init() -> Self { Room }
        #[cfg(unix)] fn message(&mut self, text: String) {}
    }";
    assert_snapshot!(formatted(Macro::Handler, handler));
}

#[test]
fn handler_that_declares_what_it_sends() {
    let handler = "#[cfg(unix)] impl<T: Clone> Room<T> { fn init() -> Self { Room } }";
    assert_snapshot!(formatted_with(
        Macro::Handler,
        "sends(Event, Score<T>)",
        handler
    ));
}

#[test]
fn handler_after_a_mistake() {
    let handler = "impl Room {
        fn init() {}
        fn message(self, text: String) -> String { text }
    }";
    assert_snapshot!(formatted(Macro::Handler, handler));
}

#[test]
fn table_of_every_kind_of_line() {
    assert_snapshot!(formatted(Macro::Dispatch, TABLE));
}

#[test]
fn table_after_a_mistake() {
    let table = "pub struct Routes;
        state: App;
        room: \"/rooms/{id: u64}\" => Room { mailbocks: 8 };
        name: \"/names/{name}\" => Room;
        admin: \"/admin\" => use crate::admin::Routes;";
    assert_snapshot!(formatted(Macro::Dispatch, table));
}

#[test]
fn topics_with_every_option() {
    assert_snapshot!(formatted(Macro::Topics, TOPICS));
}

#[test]
fn topics_after_a_mistake() {
    let topics = "pub struct Topics;
        pub Room: \"/room/{id: u64}\" => Event { history: 100 };
        pub Seat: \"seat/{id: u64}\" => Event { hist: 100, keep: 10m };
        pub Desk => Event;
        pub Hall: \"hall/{id}-{x}\" => { presence: Member };
        pub Lobby: \"lobby\" => String;";
    assert_snapshot!(formatted(Macro::Topics, topics));
}

#[test]
fn parts_of_a_state() {
    assert_snapshot!(formatted(Macro::FromRef, STATE));
}

#[test]
fn parameters_of_a_path() {
    assert_snapshot!(formatted(Macro::PathParams, PLACE));
}

#[test]
fn main_on_the_runtime() {
    assert_snapshot!(formatted(Macro::Main, MAIN));
}
