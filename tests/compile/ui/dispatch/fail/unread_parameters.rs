#![deny(deprecated)]

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

    room:   "/rooms/{id: u64}"   => Echo;
    stream: "/streams/{*rest}"   => PageStream;
    file:   "/files/{name}/{_x}" => Echo;
}

fn main() {}
