//! Each macro names the library by the path that it is given, and by that alone: a path that
//! is not used is an unused import.
#![deny(warnings, unused_imports)]

extern crate ws_server as live;

mod for_handler {
    pub(crate) use ::ws_server::*;
}

mod for_table {
    pub(crate) use ::ws_server::*;
}

mod for_state {
    pub(crate) use ::ws_server::*;
}

mod for_parameters {
    pub(crate) use ::ws_server::*;
}

mod for_main {
    pub(crate) use ::ws_server::*;
}

use live::prelude::*;

#[derive(FromRef, Clone)]
#[from_ref(crate = for_state)]
struct App {
    name: String,
}

#[derive(PathParams)]
#[path_params(crate = self::for_parameters)]
struct Place {
    id: u64,
}

struct Room;

#[ws_handler(crate = crate::for_handler)]
impl Room {
    fn init(Path(Place { id: _ }): Path<Place>, _: State<String>) -> Self {
        Room
    }

    async fn message(&mut self, text: String, _: &Hub) -> String {
        text
    }

    fn info(&mut self, _: u8) {}

    fn terminate(self) {}
}

struct Other;

#[ws_handler(crate = ::live)]
impl Other {
    fn init() -> Self {
        Other
    }
}

dispatch! {
    struct Inner;
    crate: ::live;

    other: "/" => Other;
}

dispatch! {
    struct Routes;
    crate: for_table;
    state: App;

    room: "/rooms/{id: u64}" => Room { ping: 20s, origins: same };
    inner: "/inner" => use Inner;
}

#[live::main(crate = for_main)]
async fn main() {
    let _ = Routes::table();
    let app = App {
        name: "n".to_owned(),
    };
    assert_eq!(<String as FromRef<App>>::from_ref(&app), "n");
    assert_eq!(Routes::inner(Inner::other()).to_string(), "/inner");
}
