//! Routes with different requirements; their handler does nothing.

use ws_core::limits::ServerLimits;
use ws_core::testkit::TestKit;
use ws_server::extract::NoState;
use ws_server::prelude::*;

pub(crate) struct Quiet;

#[ws_handler]
impl Quiet {
    fn init() -> Self {
        Quiet
    }
}

dispatch! {
    pub(crate) struct Routes;

    page:    "/page"    => Quiet;
    session: "/session" => Quiet { require_page: false };
    any:     "/any"     => Quiet { require_page: false, origins: any, cross_site: "a test" };
    open:    "/open"    => Quiet { require_session: false };
    stream:  "/stream"  => PageStream;
}

/// Adds the routes to this kit.
pub(crate) fn routes_of(kit: TestKit) -> TestKit {
    kit.with_table(Routes::table(), NoState).unwrap()
}

/// A kit with the routes and these limits.
pub(crate) fn kit_with(limits: &ServerLimits) -> TestKit {
    routes_of(TestKit::with_limits(*limits))
}
