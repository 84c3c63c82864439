//! The handler by value, as its type may be written.

use ws_server::prelude::*;

struct Room;

type Me = Room;

#[ws_handler]
impl Room {
    fn init() -> Self {
        Room
    }

    fn message(self: Room, text: String) -> String {
        text
    }

    fn info(self: std::pin::Pin<&mut Room>, _: u8) {}

    fn terminate(self: std::sync::Arc<Room>) {}
}

struct Lobby;

type Visitor = Lobby;

#[ws_handler]
impl Lobby {
    fn init() -> Self {
        Lobby
    }

    fn message(self: Visitor, text: String) -> String {
        text
    }
}

fn main() {}
