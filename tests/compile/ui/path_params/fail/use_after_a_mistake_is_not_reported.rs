use ws_server::prelude::*;

#[derive(PathParams)]
struct Place(u64);

struct Room;

#[ws_handler]
impl Room {
    fn init(_: Path<Place>) -> Self {
        Room
    }
}

dispatch! {
    pub struct Routes;

    room: "/rooms/{id: u64}" => Room;
}

fn main() {
    let _ = Routes::table();
}
