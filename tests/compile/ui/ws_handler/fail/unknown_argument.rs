//! The attribute has arguments that it does not know.

use ws_server::prelude::*;

struct Room;

#[ws_handler(mailbox = u8)]
impl Room {
    fn init() -> Self {
        Room
    }
}

struct Lobby;

#[ws_handler(crate = "ws_server")]
impl Lobby {
    fn init() -> Self {
        Lobby
    }
}

struct Hall;

#[ws_handler(crate)]
impl Hall {
    fn init() -> Self {
        Hall
    }
}

struct Yard;

#[ws_handler(sends = u8)]
impl Yard {
    fn init() -> Self {
        Yard
    }
}

struct Attic;

#[ws_handler(sends(u8, String, u8))]
impl Attic {
    fn init() -> Self {
        Attic
    }
}

fn main() {}
