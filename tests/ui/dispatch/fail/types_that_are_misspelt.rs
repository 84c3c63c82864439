//! Names that nothing has: in a path the macro knows the types of the language, and its messages do
//! not keep the compiler from reporting the others in the same run.
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
    text: "/texts/{_name: string}/x" => Room;
    handler: "/handler" => Missing;
    nested: "/nested" => use missing::Routes;
    option: "/option" => Room { mailbocks: 8 };
    own: "/own/{_id: RoomIdentity}" => Room { start: by_nothing };
}

fn main() {
    let _ = (Routes::number(7), Routes::text("a"), Routes::option());
}
