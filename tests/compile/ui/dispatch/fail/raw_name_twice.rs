use ws_server::prelude::*;

pub struct Room;

#[ws_handler]
impl Room {
    fn init() -> Self {
        Room
    }
}

dispatch! {
    pub struct Routes;

    a: "/a/{_id: u64}" => Room;
    r#a: "/b" => Room;
    c: "/c" => Room;
}

fn main() {
    println!("{} {} {}", Routes::a(), Routes::a(7), Routes::c());
}
