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

    room: "/room" => Echo { origins: ["https://a.example/chat", "a.example", "https://b.example", "https://b.example"] };
}

fn main() {
    let _ = Routes::table();
}
