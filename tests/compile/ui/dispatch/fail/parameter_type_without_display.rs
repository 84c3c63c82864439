use ws_server::prelude::*;

struct Echo;

#[ws_handler]
impl Echo {
    fn init(_: &Handshake) -> Self {
        Echo
    }
}

struct Id;

impl std::str::FromStr for Id {
    type Err = ();

    fn from_str(_: &str) -> Result<Self, ()> {
        Ok(Id)
    }
}

dispatch! {
    pub struct Routes;

    room: "/rooms/{id: Id}" => Echo;
}

fn main() {
    let _ = Routes::table();
}
