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

    room: "/room" => Echo { protocols: ["v2 chat", "v1/chat"] };
}

fn main() {
    let _ = Routes::table();
}
