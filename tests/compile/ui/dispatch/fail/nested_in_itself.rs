use ws_server::prelude::*;

dispatch! {
    pub struct Routes;

    inner: "/inner" => use Routes;
}

fn main() {
    let _ = Routes::table();
}
