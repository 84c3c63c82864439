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

    room: "/room" => Echo { max_message: 0, mailbox: 0, stall: 0s, idle: 0s, rate: 0/s };
}

fn main() {
    let _ = Routes::table();
}
