// Members of topics that have none, or others.

use serde::{Deserialize, Serialize};
use ws_server::prelude::*;

#[derive(Serialize, Deserialize)]
pub struct Member {
    name: String,
}

pub struct Opaque;

topics! {
    pub Room: "room/{id: u64}" => String { presence: Member };
    pub News: "news" => String;
    pub Hall: "hall" => String { presence: Opaque };
}

struct Chat;

#[ws_handler]
impl Chat {
    fn init(socket: &Socket<Self>, hub: &Hub) -> Self {
        socket.enter(&News, "ada", Member { name: "Ada".to_owned() });
        socket.enter(&Room(7), "ada", "Ada".to_owned());
        socket.watch(&News);
        hub.members(&News);
        Chat
    }
}

fn main() {}
