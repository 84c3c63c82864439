//! `message`, `info` and `terminate` do without the handler.

use ws_server::prelude::*;

struct Room;

#[ws_handler]
impl Room {
    fn init() -> Self {
        Room
    }

    fn message(text: String) -> String {
        text
    }

    fn info(number: u8) {
        let _ = number;
    }

    fn terminate(reason: CloseReason) {
        let _ = reason;
    }
}

fn main() {}
