//! `impl Trait` in an argument, at any depth.

use serde::de::DeserializeOwned;
use ws_server::prelude::*;

struct Room;

#[ws_handler]
impl Room {
    fn init(_: Path<impl Send>) -> Self {
        Room
    }

    fn message(&mut self, Json(_): Json<impl DeserializeOwned>) {}

    fn info(&mut self, _: Option<(u8, impl Send)>) {}
}

fn main() {}
