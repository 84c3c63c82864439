//! A reply borrows from the handler.

use ws_server::prelude::*;

struct Room {
    last: String,
}

#[ws_handler]
impl Room {
    fn init() -> Self {
        Room {
            last: String::new(),
        }
    }

    fn message(&mut self, text: String) -> &str {
        self.last = text;
        &self.last
    }

    fn info<'a>(&'a mut self, number: u8) -> &'a String {
        let _ = number;
        &self.last
    }
}

fn main() {}
