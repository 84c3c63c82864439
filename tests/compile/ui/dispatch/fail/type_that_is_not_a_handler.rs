use ws_server::prelude::*;

struct Room;

dispatch! {
    pub struct Routes;

    room: "/room" => Room;
}

fn main() {
    let _ = Routes::table();
}
