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
    defaults { max_message: 1 KiB, ping: 20s }

    small: "/small" => Echo { max_message: 100 B };
    large: "/large" => Echo { max_message: 1 MiB };
}

dispatch! {
    struct Outer;
    defaults { max_message: 1 KiB }

    inner: "/inner" => use Routes;
}

fn main() {}
