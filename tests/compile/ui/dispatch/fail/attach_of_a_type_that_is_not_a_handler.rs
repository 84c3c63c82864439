use ws_server::prelude::*;

struct Dash;

dispatch! {
    pub struct Routes;

    dash: "/dash" => Dash { attach: page };
}

fn main() {
    let _ = Routes::table();
}
