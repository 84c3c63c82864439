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

    chat: "/rooms/{id: u64}/chat" => Echo;
    talk: "/rooms/{room: u64}/chat" => Echo;
}

fn main() {
    let _ = Routes::table();
}
