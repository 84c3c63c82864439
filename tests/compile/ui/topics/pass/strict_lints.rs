//! Topics under every lint that a careful crate forbids.
#![forbid(unsafe_code, missing_docs, deprecated)]
#![forbid(
    dead_code,
    unused_imports,
    unused_variables,
    unused_mut,
    unused_must_use
)]
#![forbid(unused_parens, unused_braces, unused_attributes, path_statements)]
#![forbid(
    unused_qualifications,
    unused_lifetimes,
    unused_results,
    unused_import_braces
)]
#![forbid(redundant_imports, redundant_lifetimes, unit_bindings)]
#![forbid(
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    non_ascii_idents
)]
#![forbid(
    unreachable_code,
    unreachable_pub,
    unnameable_types,
    non_local_definitions
)]
#![forbid(private_bounds, private_interfaces, trivial_bounds, trivial_casts)]
#![forbid(trivial_numeric_casts, single_use_lifetimes, elided_lifetimes_in_paths)]
#![forbid(missing_debug_implementations, missing_copy_implementations)]
#![forbid(
    let_underscore_drop,
    variant_size_differences,
    absolute_paths_not_starting_with_crate
)]
#![forbid(unexpected_cfgs, long_running_const_eval, meta_variable_misuse)]
#![deny(warnings, clippy::all, clippy::pedantic, clippy::nursery)]

use ws_server::prelude::*;

/// The number of messages.
pub const LAST: usize = 20;

topics! {
    /// The topics.
    #[derive(Clone, Copy, Debug)]
    pub struct Topics;

    /// A room.
    pub Room: "room/{id: u64}/{name}" => String { history: LAST, keep: 10m, presence: u8 };
    pub Lobby: "lobby" => String;
    pub Typing: "typing/{id: u64}" => u8 { relay: live };
    Unused: "unused" => u8;
}

fn main() {
    assert_eq!(Room(1, "a".to_owned()).name(), "room/1/a");
    assert_eq!(Lobby.name(), "lobby");
    assert_eq!(Typing(1).name(), "typing/1");
}
