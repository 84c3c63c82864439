//! Async hooks hold what may not leave its thread while they wait.

use std::future::ready;
use std::rc::Rc;

use ws_server::prelude::*;

struct Room;

#[ws_handler]
impl Room {
    async fn init() -> Self {
        let shared = Rc::new(1);
        ready(()).await;
        let _ = shared;
        Room
    }

    async fn message(&mut self, text: String) -> String {
        let shared = Rc::new(text);
        ready(()).await;
        shared.to_string()
    }

    async fn terminate(self) {
        let shared = Rc::new(1);
        ready(()).await;
        let _ = shared;
    }
}

fn main() {}
