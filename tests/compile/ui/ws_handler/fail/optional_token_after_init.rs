//! A token that may be missing is an argument of `init` too.

use ws_server::{extract::Bearer, prelude::*};

struct Room;

#[ws_handler]
impl Room {
    fn init() -> Self {
        Room
    }

    fn message(&mut self, text: String, bearer: Option<Bearer>) {
        let _ = (text, bearer);
    }
}

fn main() {}
