use ws_server::prelude::*;

struct Dash;

#[ws_handler]
impl Dash {
    fn init(_: Page, _: Session) -> Self {
        Dash
    }
}

dispatch! {
    pub struct Routes;

    dash: "/dash" => Dash { attach: page, require_session: false };
}

fn main() {
    let _ = Routes::table();
}
