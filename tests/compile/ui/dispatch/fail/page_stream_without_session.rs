use ws_server::prelude::*;

dispatch! {
    pub struct Routes;

    stream: "/stream" => PageStream { require_session: false };
}

fn main() {
    let _ = Routes::table();
}
