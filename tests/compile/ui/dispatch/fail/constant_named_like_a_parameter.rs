//! A constant in scope has the name of a parameter, which the URL function cannot use then.

use ws_server::prelude::*;

#[allow(non_upper_case_globals)]
const id: u64 = 7;

struct Room;

#[ws_handler]
impl Room {
    fn init(_: Path<u64>) -> Self {
        Room
    }
}

dispatch! {
    pub struct Routes;

    room: "/rooms/{id: u64}" => Room;
}

fn main() {
    let _ = (Routes::table(), id);
}
