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

    room: "/room" => Echo { require_session: false, require_page: true };
}

fn main() {
    let _ = Routes::table();
}
