use ws_server::prelude::*;

struct Room;

#[ws_handler]
impl Room {
    fn init(_: Page) -> Self {
        Room
    }
}

dispatch! {
    pub struct Routes;

    room: "/room" => Room { require_page: false };
}

fn main() {
    let _ = Routes::table();
}
