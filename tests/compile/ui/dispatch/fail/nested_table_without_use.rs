use ws_server::prelude::*;

pub struct Room;

#[ws_handler]
impl Room {
    fn init() -> Self {
        Room
    }
}

mod admin {
    use super::*;

    dispatch! {
        pub struct Routes;
        room: "/room" => Room;
    }
}

dispatch! {
    pub struct Routes;

    inner: "/admin" => admin::Routes;
    room: "/room" => Room;
}

fn main() {
    println!("{} {}", Routes::room(), admin::Routes::room());
}
