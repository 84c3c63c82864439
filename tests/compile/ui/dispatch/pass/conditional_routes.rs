//! Routes under `#[cfg]`: what is off is not there, alternatives share name and path.

use ws_server::extract::NoState;
use ws_server::limits::LimitOptions;
use ws_core::route::Lookup;
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

    #[cfg(any())]
    off: "/off/{id: NoSuchType}/x" => NoSuchHandler;
    #[cfg(all())]
    either: "/either/{_id: u64}" => Echo;
    #[cfg(not(all()))]
    either: "/either/{id: u64}" => NoSuchHandler;
    #[cfg(any())]
    nested: "/nested" => use no_such::Table;
    #[allow(dead_code, deprecated)]
    #[deprecated = "gone soon"]
    old: "/off/{name}/x" => Echo;
}

pub(crate) fn main() {
    let router = Routes::table().into_router(NoState, &Hub::default(), &LimitOptions::NONE);
    let router = router.unwrap();
    assert_eq!(router.routes().count(), 2);
    assert!(matches!(
        router.find(Routes::either(7).as_str()),
        Lookup::Found(..)
    ));
    assert!(matches!(router.find("/off/7/x"), Lookup::Found(..)));
}
