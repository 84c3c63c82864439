use ws_server::prelude::*;

struct Dash;

#[ws_handler]
impl Dash {
    fn init() -> Self {
        Dash
    }
}

dispatch! {
    pub struct Routes;

    defaults { attach: page, require_session: false, protocols: ["v1.chat"] }

    one: "/one" => Dash;
    two: "/two" => Dash { mailbox: 8 };
}

fn main() {
    let _ = Routes::table();
}
