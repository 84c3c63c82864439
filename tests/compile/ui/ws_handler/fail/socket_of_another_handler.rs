//! A hook takes the socket of another handler.

use ws_server::prelude::*;

struct Room;

struct Lobby;

#[ws_handler]
impl Room {
    fn init() -> Self {
        Room
    }

    fn message(&mut self, text: String, socket: &Socket<Lobby>) {
        let _ = (text, socket);
    }
}

fn main() {}
