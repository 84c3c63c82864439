use ws_server::prelude::*;

mod inner {
    use ws_server::prelude::*;

    dispatch! {
        pub struct Routes;
    }
}

dispatch! {
    pub struct Routes;

    inner: "/inner" => use inner::Routes { mailbox: 8 };
}

fn main() {
    let _ = Routes::table();
}
