//! A handler sends what it does not declare, by each way there is.

use serde::Serialize;
use ws_server::prelude::*;

#[derive(Serialize)]
struct Event;

#[derive(Serialize)]
struct Other;

struct Room;

#[ws_handler(sends(Event))]
impl Room {
    fn init(socket: &Socket<Self>) -> Result<Self, Refusal> {
        let _ = socket.send(Json(Other));
        let _ = socket.send("text");
        socket.subscribe(&Topic::<Other>::local("others"));
        socket.spawn(async { Some(Json(Other)) }).or_refuse()?;
        Ok(Room)
    }
}

/// Generic over the handler, without a bound.
fn greet<H>(socket: &Socket<H>) {
    let _ = socket.send("hello");
}

fn main() {
    let _ = greet::<Room>;
}
