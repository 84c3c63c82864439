//! The hooks have more conditions than the implementation can be written for.

#![allow(unexpected_cfgs)]

use ws_server::prelude::*;

struct Room;

#[ws_handler]
impl Room {
    fn init() -> Self {
        Room
    }

    #[cfg(feature = "a")]
    fn message(&mut self, text: String) -> String {
        text
    }

    #[cfg(all(feature = "b", not(feature = "a")))]
    fn message(&mut self, bytes: Bytes) -> Bytes {
        bytes
    }

    #[cfg(feature = "c")]
    fn info(&mut self, number: u8) {
        let _ = number;
    }

    #[cfg(feature = "d")]
    fn terminate(self) {}

    #[cfg(feature = "e")]
    fn terminate(&mut self) {}
}

fn main() {}
