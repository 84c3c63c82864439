//! `terminate` answers.

use ws_server::prelude::*;

struct Room;

#[ws_handler]
impl Room {
    fn init() -> Self {
        Room
    }

    fn terminate(self) -> String {
        "bye".to_owned()
    }
}

fn main() {}
