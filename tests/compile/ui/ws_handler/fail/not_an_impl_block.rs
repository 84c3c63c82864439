//! The attribute stands on a struct, an enum and a function.

use ws_server::prelude::*;

#[ws_handler]
pub struct Room {
    name: String,
}

#[ws_handler]
#[derive(Clone)]
enum Info {
    Kick,
}

#[ws_handler]
fn init() {}

fn main() {}
