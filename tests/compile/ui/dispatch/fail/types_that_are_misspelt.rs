//! Names that nothing has: the compiler reports all of them, beside the mistakes that the macro finds.

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

    number: "/numbers/{_id: u46}" => Room;
    text: "/texts/{_flag: boool}/x" => Room;
    handler: "/handler" => Missing;
    nested: "/nested" => use missing::Routes;
    option: "/option" => Room { mailbocks: 8 };
    own: "/own/{_id: RoomIdentity}" => Room { start: by_nothing };
}

fn main() {
    let _ = (Routes::number(7), Routes::text(true), Routes::option());
}
