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

    on:     "/lamp/true"           => Echo;
    off:    "/lamp/false"          => Echo;
    switch: "/lamp/{_is_on: bool}" => Echo;
}

fn main() {}
