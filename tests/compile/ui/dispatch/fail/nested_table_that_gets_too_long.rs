use ws_server::prelude::*;

struct Echo;

#[ws_handler]
impl Echo {
    fn init() -> Self {
        Echo
    }
}

mod inner {
    use ws_server::prelude::*;

    dispatch! {
        pub struct Routes;

        deep: "/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p" => super::Echo;
    }
}

dispatch! {
    struct Routes;

    inner: "/a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q" => use inner::Routes;
}

fn main() {}
