//! The hooks of a handler in two blocks; the mistakes in both are reported, and nothing else.

use ws_server::prelude::*;

struct Event;

struct Room;

#[ws_handler]
impl Room {
    fn init(_: &Socket<Self>) -> Self {
        Room
    }
}

#[ws_handler]
impl Room {
    fn message(&mut self, text: String, _: u32) -> Event {
        drop(text);
        Event
    }

    fn info(&mut self, number: u8) -> String {
        number.to_string()
    }
}

dispatch! {
    struct Routes;

    room: "/room" => Room;
}

fn main() {
    let _ = (Routes::table(), Routes::room());
    let _ = |socket: &Socket<Room>| socket.notify(1_u8);
}
