use ws_server::prelude::*;

struct Echo;

#[ws_handler]
impl Echo {
    fn init() -> Self {
        Echo
    }
}

dispatch! {
    pub struct Routes;

    mine: "/me/{page}" => Echo;
    feed: "/{user}/feed" => Echo;
}

fn main() {
    let _ = Routes::table();
}
