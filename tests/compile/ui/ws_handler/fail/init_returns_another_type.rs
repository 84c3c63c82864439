//! `init` returns what is no handler.

use ws_server::prelude::*;

struct Room;

#[ws_handler]
impl Room {
    fn init() -> Option<Self> {
        Some(Room)
    }
}

struct Lobby;

struct NotReady;

#[ws_handler]
impl Lobby {
    async fn init() -> Result<Self, NotReady> {
        Err(NotReady)
    }
}

fn main() {}
