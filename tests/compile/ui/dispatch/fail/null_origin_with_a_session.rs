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

    own:    "/own"    => Echo { origins: ["file://", "null"] };
    said:   "/said"   => Echo { require_session: true, origins: ["null"] };
    public: "/public" => Echo { require_session: false, origins: ["null"] };
    meant:  "/meant"  => Echo { origins: ["null"], cross_site: "read only, and shows no secret" };
}

fn main() {}
