//! A private handler with private mailbox, state and payload types, in a public module.
#![deny(warnings, private_interfaces, private_bounds)]

pub mod chat {
    use serde::Deserialize;
    use ws_server::prelude::*;

    struct Room;
    struct Event;
    #[derive(Clone)]
    struct Db;
    #[derive(Deserialize)]
    struct Command {
        number: u8,
    }

    #[ws_handler]
    impl Room {
        fn init(_db: State<Db>) -> Self {
            Room
        }

        fn message(&mut self, Json(Command { number }): Json<Command>, socket: &Socket<Self>) {
            if number == 0 {
                let _ = socket.notify(Event);
            }
        }

        fn info(&mut self, _event: Event, _db: State<Db>) {}
    }

    pub fn run() {
        is_handler::<Room>();
    }

    fn is_handler<H: ws_server::handler::Handler<ws_server::extract::AnyRoute>>() {}
}

pub(crate) fn main() {
    chat::run();
}
