use ws_server::prelude::*;

struct Echo;

#[ws_handler]
impl Echo {
    fn init(_: &Handshake) -> Self {
        Echo
    }
}

struct Id;

impl std::fmt::Display for Id {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Ok(())
    }
}

dispatch! {
    pub struct Routes;

    room: "/rooms/{id: Id}" => Echo;
}

fn main() {
    let _ = Routes::table();
}
