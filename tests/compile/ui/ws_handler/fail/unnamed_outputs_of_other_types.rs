//! `impl Trait` in what hooks return, with types that the library cannot send or answer with.

use std::fmt::Display;

use ws_server::prelude::*;

struct Room;

#[ws_handler]
impl Room {
    fn init() -> Result<Self, impl Display> {
        Ok::<_, String>(Room)
    }

    fn message(&mut self, text: String) -> Json<impl Display + use<>> {
        Json(text)
    }

    async fn info(&mut self, number: u8) -> Option<impl Display + use<>> {
        Some(number)
    }
}

struct Lobby;

#[ws_handler]
impl Lobby {
    async fn init() -> impl Display {
        "a lobby"
    }

    fn message(&mut self, text: String) -> Result<String, impl Display + use<>> {
        Ok::<_, u8>(text)
    }
}

fn main() {}
