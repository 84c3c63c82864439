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

    every: "/every" => Echo { origins: ["https://*", "https://*:8443"] };
    top:   "/top"   => Echo { origins: ["https://*.com"] };
    inner: "/inner" => Echo { origins: ["https://a.*.example", "https://*.*.example", "https://*a.example", "*://a.example"] };
    none:  "/none"  => Echo { origins: ["https://*.0.0.1", "https://*.a..example"] };
}

fn main() {}
