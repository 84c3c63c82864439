use ws_server::prelude::*;

struct Room;

#[ws_handler]
impl Room {
    fn init() -> Self {
        Room
    }

    fn message(&mut self, _: String, _: Session) {}
}

dispatch! {
    pub struct Routes;

    room: "/room" => Room { require_session: false };
}

fn main() {
    let _ = Routes::table();
}
