use ws_server::prelude::*;

mod inner {
    #[derive(Clone)]
    pub struct Db;

    ws_server::dispatch! {
        pub struct Routes;
        state: Db;
    }
}

dispatch! {
    pub struct Routes;

    inner: "/inner" => use inner::Routes;
}

fn main() {}
