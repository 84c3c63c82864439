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

    defaults { deflate: true }

    dash: "/dash" => Dash { attach: page };
    own: "/own" => Dash { attach: page, deflate: true };
    fine: "/fine" => Dash { attach: page, deflate: false };
}

fn main() {
    let _ = Routes::table();
}
