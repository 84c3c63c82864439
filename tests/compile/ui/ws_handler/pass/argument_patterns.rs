//! Patterns of every shape as arguments.
#![deny(warnings)]

use serde::Deserialize;
use ws_server::prelude::*;

#[derive(Clone)]
struct Db {
    name: &'static str,
}

#[derive(Deserialize)]
struct Command {
    text: String,
    #[serde(default)]
    times: usize,
}

#[derive(Deserialize)]
struct Token {
    token: String,
}

struct Room;

struct Info(u8, [u8; 2]);

#[ws_handler]
impl Room {
    fn init(
        Query(Token { token }): Query<Token>,
        State(Db { name }): State<Db>,
        Path((room, _)): Path<(u64, String)>,
        _: &Socket<Self>,
        mut session: Option<Session>,
    ) -> Result<Self, Refusal> {
        let _ = (token, name, room, session.take());
        Ok(Room)
    }

    fn message(&mut self, Json(Command { mut text, times }): Json<Command>, _: &Hub) -> String {
        text.push_str(&times.to_string());
        text
    }

    async fn info(
        &mut self,
        Info(mut first, [second, ..]): Info,
        State(mut db): State<Db>,
    ) -> String {
        first += second;
        db.name = "changed";
        format!("{first}{}", db.name)
    }

    fn terminate(mut self, CloseReason { text, .. }: CloseReason) {
        self = Room;
        let _ = (self, text);
    }
}

pub(crate) fn main() {
    type _Room = Room;
}
