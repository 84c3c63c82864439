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

    files: "/files"                 => Echo;
    all:   "/files/{*_rest}"        => Echo;
    file:  "/files/{_name}/{*_rest}" => Echo;
}

fn main() {}
