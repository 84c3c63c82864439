//! The type of a field is a parameter.

use ws_server::prelude::*;

#[derive(Clone, FromRef)]
struct App<S> {
    store: S,
}

fn main() {}
