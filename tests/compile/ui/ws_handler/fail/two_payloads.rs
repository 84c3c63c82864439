//! `message` and `info` take two values.

use ws_server::prelude::*;

struct Room;

#[ws_handler]
impl Room {
    fn init() -> Self {
        Room
    }

    fn message(&mut self, text: String, bytes: Bytes) {
        let _ = (text, bytes);
    }

    fn info(&mut self, number: u8, text: String) {
        let _ = (number, text);
    }
}

fn main() {}
