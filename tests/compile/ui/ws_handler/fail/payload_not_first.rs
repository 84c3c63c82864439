//! The payload stands behind an extractor.

use ws_server::prelude::*;

struct Room;

#[ws_handler]
impl Room {
    fn init() -> Self {
        Room
    }

    fn message(&mut self, socket: &Socket<Self>, text: String) -> String {
        let _ = socket;
        text
    }
}

fn main() {}
