//! What only the request has is taken by other hooks.

use ws_server::{extract::Bearer, prelude::*};

struct Room;

#[ws_handler]
impl Room {
    fn init() -> Self {
        Room
    }

    fn message(&mut self, text: String, Path(id): Path<u64>, bearer: Bearer) {
        let _ = (text, id, bearer);
    }

    fn info(&mut self, number: u8, Query(query): Query<String>) {
        let _ = (number, query);
    }

    fn terminate(self, handshake: &Handshake) {
        let _ = handshake;
    }
}

fn main() {}
