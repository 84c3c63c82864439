//! What is reported of a block at once: mistakes in what is written, and in types.

use ws_server::prelude::*;

struct Event;

struct Room;

#[ws_handler]
impl Room {
    fn init(number: u64) -> Option<Self> {
        let _ = number;
        None
    }

    fn mesage(&mut self, text: String, _: u8) -> Event {
        drop(text);
        Event
    }

    fn info(&mut self, event: Event) -> Event {
        event
    }

    fn terminate(self, _: Path<u64>, text: String) -> u8 {
        drop(text);
        0
    }
}

struct Lobby;

#[ws_handler]
impl Lobby {
    async fn init(&self, _: Vec<u8>) -> Result<Self, Event> {
        Err(Event)
    }

    fn message(self, event: Event) -> Result<Event, Event> {
        Ok(event)
    }

    async fn info(&mut self, _: u8, CloseReason { .. }: CloseReason) {
        let shared = std::rc::Rc::new(1);
        std::future::ready(()).await;
        drop(shared);
    }
}

fn main() {}
