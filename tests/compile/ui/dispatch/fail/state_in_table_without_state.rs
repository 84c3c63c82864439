use ws_server::prelude::*;

struct Room;

#[ws_handler]
impl Room {
    fn init(_: State<u64>) -> Self {
        Room
    }
}

dispatch! {
    pub struct Routes;

    room: "/room" => Room;
}

fn main() {
    let _ = Routes::table();
}
