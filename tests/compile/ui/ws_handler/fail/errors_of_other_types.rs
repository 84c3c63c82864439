//! Errors that say neither how a connection is refused nor how it is closed.

use std::error::Error;
use std::io;

use ws_server::prelude::*;

struct MyError;

struct Room;

#[ws_handler]
impl Room {
    async fn init() -> io::Result<Self> {
        Ok(Room)
    }

    fn message(&mut self, text: String) -> Result<String, MyError> {
        Ok(text)
    }

    async fn info(&mut self, _: u8) -> Option<Result<(), Box<dyn Error + Send>>> {
        None
    }
}

struct Lobby;

#[ws_handler]
impl Lobby {
    fn init() -> Result<Self, Box<dyn Error>> {
        Ok(Lobby)
    }
}

fn main() {}
