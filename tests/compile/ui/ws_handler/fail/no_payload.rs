//! `message` and `info` do not take what they are about.

use ws_server::prelude::*;

struct Room;

#[ws_handler]
impl Room {
    fn init() -> Self {
        Room
    }

    fn message(&mut self) -> String {
        String::new()
    }

    fn info(&mut self) {}
}

struct Lobby;

#[ws_handler]
impl Lobby {
    fn init() -> Self {
        Lobby
    }

    fn message(&mut self, socket: &Socket<Self>, hub: &Hub) {
        let _ = (socket, hub);
    }

    fn info(&mut self, state: State<u8>) {
        let _ = state;
    }
}

fn main() {}
