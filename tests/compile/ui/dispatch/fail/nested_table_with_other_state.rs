use ws_server::prelude::*;

#[derive(Clone)]
struct App;

mod inner {
    use ws_server::prelude::*;

    pub struct Db;

    dispatch! {
        pub struct Routes;
        state: Db;
    }
}

dispatch! {
    pub struct Routes;
    state: App;

    inner: "/inner" => use inner::Routes;
}

fn main() {
    let _ = Routes::table();
}
