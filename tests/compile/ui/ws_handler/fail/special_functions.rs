//! Hooks are `unsafe`, `const` or `extern`.

use ws_server::prelude::*;

struct Room;

#[ws_handler]
impl Room {
    const fn init() -> Self {
        Room
    }

    unsafe fn message(&mut self, text: String) -> String {
        text
    }

    extern "C" fn info(&mut self, number: u8) {
        let _ = number;
    }
}

fn main() {}
