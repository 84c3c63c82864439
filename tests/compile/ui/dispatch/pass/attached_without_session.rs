use ws_server::page::Resumed;
use ws_server::prelude::*;

struct Lamp;

#[ws_handler]
impl Lamp {
    fn init(_: Page, _: Option<Session>, _: Resumed) -> Self {
        Lamp
    }

    fn message(&mut self, text: String, _: Page, _: Option<Session>) -> String {
        text
    }

    fn terminate(self, _: Page) {}
}

mod inner {
    use ws_server::prelude::*;

    dispatch! {
        pub struct Routes;
        defaults { require_session: false, require_page: false }

        lamp: "/lamp" => super::Lamp { attach: page };
        desk: "/desk" => super::Lamp { attach: page, require_page: true, require_session: true };
    }
}

dispatch! {
    struct Routes;
    defaults { attach: page }

    visitors: "/visitors" => Lamp;
    lamp: "/lamp" => Lamp { require_session: false };
    any: "/any" => Lamp { require_session: false, origins: any };
    stream: "/stream" => PageStream { require_session: false };
    own: "/own" => PageStream;
    inner: "/inner" => use inner::Routes;
}

pub(crate) fn main() {
    let _ = Routes::table();
}
