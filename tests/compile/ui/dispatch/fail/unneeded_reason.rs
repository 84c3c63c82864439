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

    same:   "/same"   => Echo { cross_site: "an embedded map" };
    public: "/public" => Echo { require_session: false, origins: any, cross_site: "a public map" };
}

fn main() {}
