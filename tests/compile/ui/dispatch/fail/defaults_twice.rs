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

    defaults { idle: 60s }
    defaults { ping: 20s }

    room: "/room" => Echo;
}

fn main() {
    let _ = Routes::table();
}
