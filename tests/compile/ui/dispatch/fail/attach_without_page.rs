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

    page: "/page" => Dash { attach: page, require_page: false };
    session: "/session" => Dash { require_session: true, require_page: false, attach: page };
}

fn main() {
    let _ = Routes::table();
}
