//! A hook is there twice.

use ws_server::prelude::*;

struct Room;

#[ws_handler]
impl Room {
    fn init() -> Self {
        Room
    }

    fn message(&mut self, text: String) -> String {
        text
    }

    async fn message(&mut self, bytes: Bytes) -> Bytes {
        bytes
    }
}

fn main() {}
