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

    room: "/room" => Echo { mailbox: 8 timers: 9 };
}

fn main() {
    let _ = Routes::table();
}
