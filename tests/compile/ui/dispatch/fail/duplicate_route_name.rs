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
    room: "/b/{id: u64}" => Echo;
}

fn main() {
    let _ = (Routes::table(), Routes::room(), Routes::room(7).query("a", 1));
}
