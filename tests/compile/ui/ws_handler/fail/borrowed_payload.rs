//! The payload is a reference.

use ws_server::prelude::*;

struct Room;

#[ws_handler]
impl Room {
    fn init() -> Self {
        Room
    }

    fn message(&mut self, text: &str) {
        let _ = text;
    }

    fn info(&mut self, text: &str) {
        let _ = text;
    }
}

struct Lobby;

#[ws_handler]
impl Lobby {
    fn init() -> Self {
        Lobby
    }

    fn message(&mut self, bytes: &[u8]) {
        let _ = bytes;
    }

    fn info(&mut self, event: &Vec<u8>) {
        let _ = event;
    }
}

fn main() {}
