use ws_server::prelude::*;

struct App;

dispatch! {
    struct Routes;
    #[cfg(all())]
    state: App;
}

fn main() {}
