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
    stat: App;

    room: "rooms" => Echo { mailbocks: 8, ping: 1 };
    room: "/rooms/{id" => Echo;
    bad => Echo;
    last: "/rooms/{id: u64}" => Echo { idle: 0s };
}

fn main() {
    let _ = (Routes::table(), Routes::room(), Routes::last(7));
}
