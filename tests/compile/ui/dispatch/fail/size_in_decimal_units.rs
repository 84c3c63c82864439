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

    room: "/room" => Echo { max_message: 16 KB, outbox: 1 s, read_ahead: 1.5 MiB };
}

fn main() {
    let _ = Routes::table();
}
