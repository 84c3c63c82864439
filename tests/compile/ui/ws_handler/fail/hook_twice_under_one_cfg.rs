//! Two alternatives have one condition.

use ws_server::prelude::*;

struct Room;

#[ws_handler]
impl Room {
    fn init() -> Self {
        Room
    }

    #[cfg(all())]
    fn message(&mut self, text: String) -> String {
        text
    }

    #[cfg(all())]
    fn message(&mut self, bytes: Bytes) -> Bytes {
        bytes
    }
}

fn main() {}
