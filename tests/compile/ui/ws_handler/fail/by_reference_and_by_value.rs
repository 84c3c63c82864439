//! Arguments that are taken by value instead of by reference, or the other way round.

use ws_server::prelude::*;

struct Room;

#[ws_handler]
impl Room {
    fn init(_: Handshake, _: Socket<Self>, _: &Path<u64>, _: &State<u8>) -> Self {
        Room
    }

    fn message(&mut self, _: String, _: Hub, _: &Session) {}

    fn info(&mut self, _: u8, _: Socket<Other>, _: Handshake) {}

    fn terminate(self, _: &CloseReason, _: Hub) {}
}

struct Other;

#[ws_handler]
impl Other {
    fn init(_: u64) -> Self {
        Other
    }
}

fn main() {}
