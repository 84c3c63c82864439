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
    stat: u8;
    default { idle: 90s }

    room: "/room" => Echo;
}

fn main() {
    let _ = Routes::table();
}
