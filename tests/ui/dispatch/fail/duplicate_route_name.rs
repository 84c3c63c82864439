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

    room: "/a" => Echo;
    room: "/b" => Echo;
}

fn main() {
    let _ = (Routes::table(), Routes::room());
}
