//! `#[cfg_attr(…)]` with attributes that a line does not take.

use ws_server::prelude::*;

struct Room;

#[ws_handler]
impl Room {
    fn init() -> Self {
        Room
    }
}

dispatch! {
    struct Routes;

    #[cfg_attr(all(), cfg(all()), inline)]
    room: "/room" => Room;
    #[cfg_attr(all())]
    other: "/other" => Room;
    #[cfg_attr(all(), cfg(any()))]
    none: "/none" => not_there::Room;
}

fn main() {
    let _ = (Routes::room(), Routes::other());
}
