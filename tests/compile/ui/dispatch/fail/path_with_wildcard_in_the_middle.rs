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

    room: "/files/{*rest}/info" => Echo;
}

fn main() {
    let _ = Routes::table();
}
