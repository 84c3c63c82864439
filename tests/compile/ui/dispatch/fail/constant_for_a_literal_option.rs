//! These options decide how the table is checked, before any constant has a value.

use ws_server::prelude::*;

pub struct Room;

#[ws_handler]
impl Room {
    fn init() -> Self {
        Room
    }
}

const FLAG: bool = true;
const LIST: &[&str] = &["https://a.example"];

dispatch! {
    pub struct Routes;

    session: "/session" => Room { require_session: FLAG };
    page:    "/page" => Room { require_page: self::FLAG };
    origins: "/origins" => Room { origins: LIST };
    deflate: "/deflate" => Room { deflate: FLAG };
    names:   "/names" => Room { protocols: LIST };
    attach:  "/attach" => Room { attach: self::FLAG };
    sum:     "/sum" => Room { mailbox: LIST.len() + 1, timers: 2 * 3 };
    unit:    "/unit" => Room { max_message: LIMIT KiB };
    word:    "/word" => Room { max_message: limit, idle: of };
}

fn main() {
    println!("{FLAG} {LIST:?}");
}
