//! Nothing makes the handler.

use ws_server::prelude::*;

struct Room;

#[ws_handler]
impl Room {
    fn message(&mut self, text: String) -> String {
        text
    }
}

fn main() {}
