//! `message` and `info` consume the handler.

use ws_server::prelude::*;

struct Room;

#[ws_handler]
impl Room {
    fn init() -> Self {
        Room
    }

    fn message(self, text: String) -> String {
        text
    }

    fn info(self: Box<Self>, number: u8) {
        let _ = number;
    }

    fn terminate(self: std::rc::Rc<Self>) {}
}

fn main() {}
