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

    dash: "/dash" => Dash { attach: page, protocols: ["v1.chat", "page.v1"] };
}

fn main() {
    let _ = Routes::table();
}
