//! The type of a handler has a lifetime that is not `'static`.

use ws_server::prelude::*;

struct Room<'a> {
    name: &'a str,
}

#[ws_handler]
impl<'a> Room<'a> {
    fn init(handshake: &'a Handshake) -> Self {
        Room {
            name: handshake.path(),
        }
    }
}

fn main() {}
