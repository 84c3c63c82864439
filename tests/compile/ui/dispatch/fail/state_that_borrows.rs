//! A state lives as long as the server.
use ws_server::prelude::*;

struct Room;

#[ws_handler]
impl Room {
    fn init() -> Self {
        Room
    }
}

#[derive(Clone)]
struct App<'a>(&'a str);

mod elided {
    use super::*;

    dispatch! {
        pub struct Routes;
        state: App<'_>;

        room: "/room" => Room;
    }
}

mod named {
    use super::*;

    dispatch! {
        pub struct Routes;
        state: std::sync::Arc<App<'a>>;

        room: "/room" => Room;
    }
}

mod of_the_program {
    use super::*;

    dispatch! {
        pub struct Routes;
        state: App<'static>;

        room: "/room" => Room;
    }
}

fn main() {
    let _ = (elided::Routes::room(), named::Routes::table(), of_the_program::Routes::table());
}
