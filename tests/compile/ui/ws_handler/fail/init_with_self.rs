//! `init` takes the handler that it is to make.

use ws_server::prelude::*;

struct Room;

#[ws_handler]
impl Room {
    fn init(&mut self, socket: &Socket<Self>) -> Self {
        let _ = socket;
        Room
    }
}

fn main() {}
