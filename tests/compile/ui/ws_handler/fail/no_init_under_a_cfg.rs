//! With the condition unmet there is no `init`.

#![allow(unexpected_cfgs)]

use ws_server::prelude::*;

struct Room;

#[ws_handler]
impl Room {
    #[cfg(feature = "never")]
    fn init() -> Self {
        Room
    }
}

fn main() {}
