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
    state: u8;
    state: u16;

    room: "/room" => Echo;
}

fn main() {
    let _ = Routes::table();
}
