use ws_server::prelude::*;

struct Lamp;

#[ws_handler]
impl Lamp {
    fn init() -> Self {
        Lamp
    }
}

mod inner {
    use ws_server::prelude::*;

    dispatch! {
        pub struct Routes;
        defaults { require_page: true, attach: page }

        inherited: "/inherited" => super::Lamp { require_session: false };
        fine: "/fine" => super::Lamp { require_session: false, require_page: false };
        visitors: "/visitors" => super::Lamp;
    }
}

dispatch! {
    pub struct Routes;

    own: "/own" => Lamp { attach: page, require_session: false, require_page: true };
    fine: "/fine" => Lamp { attach: page, require_session: false };
    inner: "/inner" => use inner::Routes;
}

fn main() {
    let _ = Routes::table();
}
