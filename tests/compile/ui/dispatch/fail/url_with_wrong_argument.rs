use ws_server::prelude::*;

struct Echo;

#[ws_handler]
impl Echo {
    fn init(_: &Handshake) -> Self {
        Echo
    }
}

dispatch! {
    pub struct Routes;

    room: "/rooms/{id: u64}" => Echo;
}

fn main() {
    let _ = Routes::room("seven");
    let _ = Routes::lobby();
}
