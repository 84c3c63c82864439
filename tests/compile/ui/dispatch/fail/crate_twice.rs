use ws_server::prelude::*;

struct Echo;

#[ws_handler]
impl Echo {
    fn init() -> Self {
        Echo
    }
}

dispatch! {
    struct Routes;
    crate: ::ws_server;
    crate: ::ws_server;

    echo: "/echo" => Echo;
}

fn main() {}
