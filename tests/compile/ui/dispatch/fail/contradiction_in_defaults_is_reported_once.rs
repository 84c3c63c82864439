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

    defaults { require_session: false, require_page: true, ping: 3m, idle: 2m }

    one: "/one" => Echo;
    two: "/two" => Echo;
}

fn main() {
    let _ = Routes::table();
}
