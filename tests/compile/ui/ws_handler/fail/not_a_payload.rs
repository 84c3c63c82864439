//! A type of the user is taken as the payload.

use ws_server::prelude::*;

struct Room;

struct Command;

#[ws_handler]
impl Room {
    fn init() -> Self {
        Room
    }

    fn message(&mut self, command: Command) {
        let _ = command;
    }
}

fn main() {}
