use ws_server::prelude::*;

struct Inner;

dispatch! {
    pub struct Routes;

    inner: "/inner" => use Inner;
}

fn main() {
    let _ = Routes::table();
}
