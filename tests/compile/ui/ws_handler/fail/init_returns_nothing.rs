//! `init` makes no handler.

use ws_server::prelude::*;

struct Room;

#[ws_handler]
impl Room {
    fn init() {}
}

fn main() {}
