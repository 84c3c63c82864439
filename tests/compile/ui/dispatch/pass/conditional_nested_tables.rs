//! Nested tables, hooks and state under `#[cfg]`: alternatives share a name and a prefix.
#![deny(warnings)]
#![allow(unexpected_cfgs)]

use ws_server::extract::NoState;
use ws_server::limits::LimitOptions;
use ws_server::prelude::*;
use ws_core::route::Lookup;

struct Echo;

#[ws_handler]
impl Echo {
    fn init() -> Self {
        Echo
    }

    #[cfg(feature = "never")]
    fn message(&mut self, missing: TypeThatIsNotThere) {}

    #[cfg(not(feature = "never"))]
    fn message(&mut self, text: String) -> String {
        text
    }
}

mod users {
    use ws_server::prelude::*;

    dispatch! {
        pub struct Routes;

        all: "/" => super::Echo;
        #[cfg(feature = "never")]
        none: "/none" => NoSuchHandler;
    }
}

dispatch! {
    struct Routes;

    home: "/" => Echo;
    #[cfg(not(feature = "never"))]
    users: "/users" => use users::Routes;
    #[cfg(feature = "never")]
    users: "/users" => use no_such::Routes;
    #[cfg(any())]
    gone: "/gone" => use no_such::Routes;
    #[cfg(all())]
    #[cfg(not(any()))]
    twice: "/twice" => use users::Routes;
}

#[cfg(any())]
dispatch! {
    struct Left;
    state: NoSuchState;

    nowhere: "/nowhere" => NoSuchHandler;
}

pub(crate) fn main() {
    let router = Routes::table().into_router(NoState, &Hub::default(), &LimitOptions::NONE);
    let router = router.unwrap();
    assert_eq!(router.routes().count(), 3);
    for url in [Routes::users(users::Routes::all()), Routes::twice(users::Routes::all())] {
        assert!(matches!(router.find(url.as_str()), Lookup::Found(..)), "{url}");
    }
    assert!(!matches!(router.find("/gone"), Lookup::Found(..)));
}
