//! A handler that cannot move between threads is one mistake, however many hooks are async.

use std::rc::Rc;

use ws_server::prelude::*;

struct Room {
    shared: Rc<u8>,
}

#[ws_handler]
impl Room {
    async fn init() -> Self {
        std::future::ready(()).await;
        Room { shared: Rc::new(1) }
    }

    async fn message(&mut self, text: String) -> String {
        std::future::ready(()).await;
        text
    }

    async fn info(&mut self, number: u8, _: &Hub) -> String {
        std::future::ready(()).await;
        (number + *self.shared).to_string()
    }

    async fn terminate(self) {
        std::future::ready(()).await;
    }
}

fn main() {}
