//! An argument has a condition.

use ws_server::prelude::*;

struct Room;

#[ws_handler]
impl Room {
    fn init() -> Self {
        Room
    }

    fn message(&mut self, text: String, #[cfg(any())] hub: &Hub) -> String {
        text
    }
}

fn main() {}
