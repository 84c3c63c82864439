//! `message`, `info` and `terminate` under other names.

use ws_server::prelude::*;

struct Room;

#[ws_handler]
impl Room {
    fn init() -> Self {
        Room
    }

    fn mesage(&mut self, text: String) -> String {
        text
    }

    fn on_info(&mut self, number: u8) {
        let _ = number;
    }

    fn terminated(self, reason: CloseReason) {
        let _ = reason;
    }
}

struct Lobby;

#[ws_handler]
impl Lobby {
    fn init() -> Self {
        Lobby
    }

    fn handle_message(&mut self, Json(number): Json<u8>) {
        let _ = number;
    }

    fn on_close(&mut self) {}
}

fn main() {}
