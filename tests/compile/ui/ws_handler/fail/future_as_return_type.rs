//! A future is returned instead of awaited.

use std::pin::Pin;

use ws_server::prelude::*;

struct Room;

#[ws_handler]
impl Room {
    fn init() -> impl Future<Output = Self> {
        async { Room }
    }

    fn message(&mut self, text: String) -> Pin<Box<dyn Future<Output = String> + Send>> {
        Box::pin(async { text })
    }
}

fn main() {}
