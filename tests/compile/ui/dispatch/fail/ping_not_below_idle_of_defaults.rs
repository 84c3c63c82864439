use ws_server::prelude::*;

struct Echo;

#[ws_handler]
impl Echo {
    fn init() -> Self {
        Echo
    }
}

dispatch! {
    pub struct Routes;

    defaults { idle: 20s }

    room: "/room" => Echo { ping: 25s };
}

fn main() {
    let _ = Routes::table();
}
