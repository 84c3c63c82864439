//! Hooks have parameters that nobody could choose.

use ws_server::prelude::*;

struct Room;

#[ws_handler]
impl Room {
    fn init() -> Self {
        Room
    }

    fn message<T>(&mut self, value: Json<T>) {
        let _ = value;
    }

    fn info<const N: usize>(&mut self, value: [u8; N]) {
        let _ = value;
    }

    fn terminate(self, writer: impl std::io::Write) {
        let _ = writer;
    }
}

fn main() {}
