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
    defaults { origins: any }

    public:  "/public"  => Echo { require_session: false };
    session: "/session" => Echo;
    meant:   "/meant"   => Echo { cross_site: "read only, and shows no secret" };
    same:    "/same"    => Echo { origins: same };
}

fn main() {}
