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

    session: "/session" => Dash { attach: page, require_session: false };
    before: "/before" => Dash { require_session: false, attach: page };
    both: "/both" => Dash { attach: page, require_session: false, require_page: false };
    torn: "/torn" => Dash { attach: page, require_session: false, require_page: true };
}

fn main() {
    let _ = Routes::table();
}
