//! The state is an enum, a union, or has no fields.

use ws_server::prelude::*;

#[derive(Clone, FromRef)]
enum App {
    One,
}

#[derive(Clone, Copy, FromRef)]
union Bits {
    whole: u8,
}

#[derive(Clone, FromRef)]
struct Nothing;

fn main() {}
