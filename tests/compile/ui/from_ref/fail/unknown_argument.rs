//! The attribute says something that it does not know.

use ws_server::prelude::*;

#[derive(Clone, FromRef)]
struct App {
    #[from_ref(ignore)]
    name: String,
    #[from_ref]
    number: u8,
}

#[derive(Clone, FromRef)]
#[from_ref(skip)]
struct Whole {
    name: String,
}

fn main() {}
