use ws_server::prelude::*;

struct Room;

#[ws_handler]
impl Room {
    fn init(_: State<u64>) -> Self {
        Room
    }
}

#[derive(Clone)]
struct App;

dispatch! {
    pub struct Routes;
    state: App;

    room: "/room" => Room;
}

fn main() {
    let _ = Routes::table();
}
