//! A handler that is declared in a function.
#![deny(warnings)]

use ws_server::prelude::*;

pub(crate) fn main() {
    struct Counter(u64);

    enum Tick {
        Once,
    }

    #[ws_handler]
    impl Counter {
        fn init() -> Self {
            Counter(0)
        }

        async fn message(&mut self, _bytes: Bytes, socket: &Socket<Self>) -> String {
            let _ = socket.notify(Tick::Once);
            self.0.to_string()
        }

        fn info(&mut self, Tick::Once: Tick) {
            self.0 += 1;
        }
    }

    fn is_handler<H: ws_server::handler::Handler<ws_server::extract::AnyRoute>>() {}
    is_handler::<Counter>();
}
