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

    empty: "/empty" => Echo { origins: any, cross_site: " " };
    flag:  "/flag"  => Echo { origins: any, cross_site: true };
}

fn main() {}
