use ws_server::prelude::*;

#[derive(PathParams)]
struct Place {
    id: u32,
    name: String,
}

struct Room;

#[ws_handler]
impl Room {
    fn init(Path(_): Path<Place>) -> Self {
        Room
    }
}

dispatch! {
    pub struct Routes;

    room: "/rooms/{id: u64}/{name}" => Room;
}

fn main() {
    let _ = Routes::table();
}
