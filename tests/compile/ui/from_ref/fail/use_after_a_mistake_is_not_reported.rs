//! A state with three mistakes, whose parts the rest of the program takes.
#![deny(warnings)]

use std::sync::Arc;

use ws_server::prelude::*;

#[derive(Clone, FromRef)]
struct App<T> {
    name: String,
    other_name: String,
    #[from_ref(skp)]
    numbers: Arc<Vec<u8>>,
    any: T,
}

struct Room;

#[ws_handler]
impl Room {
    fn init(State(name): State<String>, _: State<Arc<Vec<u8>>>) -> Self {
        let _ = name;
        Room
    }
}

dispatch! {
    struct Routes;
    state: App<u8>;

    room: "/room" => Room;
}

fn main() {
    let app = App {
        name: "name".to_owned(),
        other_name: "other".to_owned(),
        numbers: Arc::new(Vec::new()),
        any: 7,
    };
    let _ = (String::from_ref(&app), Arc::<Vec<u8>>::from_ref(&app));
    let _ = (app.name, app.other_name, app.numbers, app.any, Routes::table());
}
