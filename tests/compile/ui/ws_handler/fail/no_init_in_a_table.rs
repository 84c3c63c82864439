//! A missing `init` is one mistake, also if a table names the handler.

use ws_server::prelude::*;

struct Room;

#[ws_handler]
impl Room {
    #[cfg(any())]
    fn init() -> Self {
        Room
    }

    fn message(&mut self, text: String) -> String {
        text
    }
}

struct Empty;

#[ws_handler]
impl Empty {}

dispatch! {
    struct Routes;

    room: "/room" => Room;
    again: "/again/{id: u64}" => Room;
    empty: "/empty" => Empty;
}

fn main() {
    let _ = Routes::table();
}
