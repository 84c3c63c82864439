//! Every mistake of a block in one run, and nothing that follows from them.

use ws_server::prelude::*;

struct Room;

#[ws_handler]
impl Room {
    fn init(&self) {}

    fn message(self, text: &str, CloseReason { text: why, .. }: CloseReason) -> &str {
        let _ = why;
        text
    }

    fn terminate(self, Path(id): Path<u64>) -> u64 {
        id
    }
}

/// The rest of the program is checked as if the block were right.
fn notify(socket: &Socket<Room>) {
    let _ = socket.notify("anything");
    is_handler::<Room>();
}

fn is_handler<H: ws_server::handler::Handler<ws_server::extract::AnyRoute>>() {}

fn main() {}
