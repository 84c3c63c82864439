use ws_server::prelude::*;

mod inner {
    use ws_server::prelude::*;

    dispatch! {
        pub struct Routes;
    }
}

dispatch! {
    pub struct Routes;

    inner: "/rooms/{id: u64}" => use inner::Routes;
}

fn main() {
    let _ = Routes::table();
}
