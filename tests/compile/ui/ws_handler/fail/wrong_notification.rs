//! A value that `info` does not take, and a handler without `info`.

use ws_server::prelude::*;

struct Room;

#[ws_handler]
impl Room {
    fn init() -> Self {
        Room
    }

    fn info(&mut self, number: u8, socket: &Socket<Self>) {
        let _ = (number, socket.notify("text"));
    }
}

struct Lobby;

#[ws_handler]
impl Lobby {
    fn init(socket: &Socket<Self>) -> Self {
        let _ = socket.notify(1_u8);
        Lobby
    }
}

fn main() {}
