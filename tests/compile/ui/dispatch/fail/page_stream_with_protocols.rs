use ws_server::prelude::*;

dispatch! {
    struct Routes;

    stream: "/stream" => PageStream { protocols: ["v1"] };
}

fn main() {}
