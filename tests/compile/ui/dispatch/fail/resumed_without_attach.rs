use ws_server::page::Resumed;
use ws_server::prelude::*;

struct Dash;

#[ws_handler]
impl Dash {
    fn init(_: Resumed) -> Self {
        Dash
    }
}

dispatch! {
    pub struct Routes;

    dash: "/dash" => Dash;
}

fn main() {
    let _ = Routes::table();
}
