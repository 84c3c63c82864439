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

    own:     "/own"     => Echo { origins: any };
    said:    "/said"    => Echo { require_session: true, origins: any };
    public:  "/public"  => Echo { require_session: false, origins: any };
    meant:   "/meant"   => Echo { origins: any, cross_site: "read only, and shows no secret" };
}

fn main() {}
