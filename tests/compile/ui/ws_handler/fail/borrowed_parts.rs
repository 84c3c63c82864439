//! Payloads, parameters and replies that borrow within another type.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use ws_server::prelude::*;

#[derive(Deserialize, Serialize)]
struct Command<'a> {
    text: &'a str,
}

struct Room {
    name: String,
}

#[ws_handler]
impl Room {
    fn init(Path(_): Path<&str>, Query(_): Query<Command<'_>>) -> Self {
        Room {
            name: String::new(),
        }
    }

    fn message(&mut self, Json(_): Json<&str>) -> Option<&str> {
        Some(&self.name)
    }

    fn info<'a>(&'a mut self, _: (u8, Cow<'a, str>)) -> Cow<'a, str> {
        Cow::Borrowed(&self.name)
    }
}

struct Lobby {
    name: String,
}

#[ws_handler]
impl Lobby {
    fn init(_: Path<(u64, &str)>) -> Self {
        Lobby {
            name: String::new(),
        }
    }

    async fn message(&mut self, _: Json<Command<'_>>) -> Result<Vec<(&str, Close)>, Close> {
        Ok(vec![(&self.name, Close::NORMAL)])
    }
}

fn main() {}
