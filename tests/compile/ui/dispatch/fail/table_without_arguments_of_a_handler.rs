//! What routes give to their handlers is not enough, for routes with the same parameters and for a
//! handler of a route without.

use ws_server::prelude::*;

struct Plain;

#[ws_handler]
impl Plain {
    fn init() -> Self {
        Plain
    }
}

struct OfState;

#[ws_handler]
impl OfState {
    fn init(_: State<u8>) -> Self {
        OfState
    }
}

struct NoHandler;

mod inner {
    ws_server::dispatch! {
        pub struct Routes;

        plain: "/plain" => super::Plain;
    }
}

dispatch! {
    struct Table;

    first: "/first/{_id: u64}" => Plain;
    second: "/second/{_id: u64}" => OfState;
    third: "/third" => NoHandler;
    inner: "/inner" => use inner::Routes;
}

fn main() {
    let _ = Table::table();
}
