//! A table with state, defaults, parameters of every kind and typed URLs.

use ws_server::{prelude::*, route::Table};

#[derive(Clone)]
struct App;

struct Echo;

#[ws_handler]
impl Echo {
    fn init() -> Self {
        Echo
    }
}

struct Room;

#[ws_handler]
impl Room {
    fn init(Path(_id): Path<u64>, _: State<App>, _: Session, _: Page) -> Self {
        Room
    }
}

struct Seat;

#[ws_handler]
impl Seat {
    fn init(Path((_id, _name)): Path<(u64, String)>, _: Option<Session>) -> Self {
        Seat
    }
}

dispatch! {
    /// The table.
    #[derive(Debug)]
    pub struct Routes;
    state: App;
    defaults { max_message: 32 KiB, idle: 2m }

    /// The front.
    home: "/" => Echo;
    room: "/rooms/{id: u64}" => Room { max_message: 16 KiB };
    seat: "/rooms/{id: u64}/{name}" => Seat { require_session: false, rate: 20/s };
    files: "/files/{*_rest}" => Echo;
}

pub(crate) fn main() {
    let _: Table<App> = Routes::table();
    assert_eq!(Routes::room(42).to_string(), "/rooms/42");
    assert_eq!(
        Routes::seat(42, "window 7").to_string(),
        "/rooms/42/window%207"
    );
    assert_eq!(format!("{Routes:?}"), "Routes");
}
