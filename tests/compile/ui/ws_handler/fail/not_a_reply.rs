//! A type of the user is returned as the reply, by a function and an async function.

use ws_server::prelude::*;

struct Room;

struct Event {
    text: String,
}

#[ws_handler]
impl Room {
    fn init() -> Self {
        Room
    }

    fn message(&mut self, text: String) -> Event {
        Event { text }
    }

    async fn info(&mut self, number: u8) -> Result<Event, Close> {
        Ok(Event {
            text: number.to_string(),
        })
    }
}

fn main() {}
