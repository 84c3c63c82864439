//! A path of the library that leads nowhere is one error, at the path.
use ws_server::prelude::*;

struct Room;

#[ws_handler]
impl Room {
    fn init() -> Self {
        Room
    }
}

dispatch! {
    pub struct Routes;
    crate: ::web_sockets;

    room: "/rooms/{_id: u64}" => Room { mailbox: 8 };
    desk: "/desk" => Room { attach: page };
}

fn main() {
    let _ = (Routes::table(), Routes::room(7));
}
