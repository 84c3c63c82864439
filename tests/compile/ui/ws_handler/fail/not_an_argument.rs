//! Arguments of types that no connection has; no table uses the handler.

use ws_server::prelude::*;

struct Room;

struct Clock;

#[ws_handler]
impl Room {
    fn init(number: u32) -> Self {
        let _ = number;
        Room
    }

    fn message(&mut self, text: String, clock: &Clock) {
        let _ = (text, clock);
    }

    async fn terminate(self, sockets: Vec<Socket<Self>>) {
        let _ = sockets;
    }
}

fn main() {}
