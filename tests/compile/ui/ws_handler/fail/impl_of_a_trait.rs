//! The block implements a trait.

use ws_server::prelude::*;

struct Room;

trait Hooks {
    fn init() -> Self;
}

#[ws_handler]
impl Hooks for Room {
    fn init() -> Self {
        Room
    }
}

fn main() {}
