//! `CloseReason` is taken while the connection is open, or twice.

use ws_server::prelude::*;

struct Room;

#[ws_handler]
impl Room {
    fn init(reason: CloseReason) -> Self {
        let _ = reason;
        Room
    }

    fn message(&mut self, text: String, reason: CloseReason) {
        let _ = (text, reason);
    }

    fn terminate(self, reason: CloseReason, again: CloseReason) {
        let _ = (reason, again);
    }
}

fn main() {}
