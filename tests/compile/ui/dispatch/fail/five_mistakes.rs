use ws_server::prelude::*;

pub struct Room;

#[ws_handler]
impl Room {
    fn init() -> Self {
        Room
    }

    fn mesage(&mut self, text: String) -> String {
        text
    }
}

dispatch! {
    pub struct Routes;

    lobby: "lobby"              => Room;
    room:  "/rooms/{id: u64}"   => Room { max_mesage: 16 KiB };
    seat:  "/rooms/{seat: u64}" => Room;
    feed:  "/feed"              => Room { origins: any };
}

fn main() {
    let _ = (Routes::table(), Routes::lobby(), Routes::room(1), Routes::seat(2), Routes::feed());
}
