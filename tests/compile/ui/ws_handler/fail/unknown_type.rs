//! Names that do not exist are reported once each.

use ws_server::prelude::*;

struct Room;

struct Command;

struct Clock;

#[ws_handler]
impl Room {
    fn init() -> Self {
        Room
    }

    fn message(&mut self, text: String, clock: &Klock) -> String {
        let _ = clock;
        text
    }

    async fn info(&mut self, command: Comand) {
        let _ = command;
    }
}

fn main() {}
