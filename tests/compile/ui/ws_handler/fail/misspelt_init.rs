//! `init` under other names.

use ws_server::prelude::*;

struct Room;

#[ws_handler]
impl Room {
    fn initialise(socket: &Socket<Self>) -> Self {
        let _ = socket;
        Room
    }
}

struct Lobby;

#[ws_handler]
impl Lobby {
    async fn on_connect(Path(id): Path<u64>) -> Result<Self, Refusal> {
        let _ = id;
        Ok(Lobby)
    }
}

fn main() {}
