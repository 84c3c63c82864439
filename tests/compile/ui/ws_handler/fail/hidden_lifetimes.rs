//! A payload whose lifetime is not written, and parts of the state that are borrowed.

use serde::Deserialize;
use ws_server::prelude::*;

#[derive(Deserialize)]
struct Command<'a> {
    text: &'a str,
}

struct Room;

#[ws_handler]
impl Room {
    fn init(_: State<&str>) -> Self {
        Room
    }

    fn message(&mut self, Json(command): Json<Command>) {
        let _ = command.text;
    }
}

fn main() {}
