//! Tables side by side with the same names, paths, handlers and parameters, and one of them
//! twice in another.
#![deny(warnings)]

use ws_server::{prelude::*, route::Table};

struct Room;

#[ws_handler]
impl Room {
    fn init(Path(id): Path<u64>) -> Self {
        let _ = id;
        Room
    }
}

dispatch! {
    struct First;

    room: "/rooms/{id: u64}" => Room;
    same: "/same/{id: u64}" => Room;
}

dispatch! {
    struct Second;
    state: String;

    room: "/rooms/{id: u64}" => Room { require_session: false };
    same: "/same/{id: u64}" => Room;
}

dispatch! {
    struct Both;
    state: String;

    room: "/rooms/{id: u64}" => Room;
    first: "/first" => use First;
    second: "/second" => use Second;
    again: "/again" => use First;
}

pub(crate) fn main() {
    let _: Table<String> = Both::table();
    let urls = [
        Both::room(1),
        Both::first(First::room(2)),
        Both::second(Second::room(3)),
        Both::again(First::same(4)),
        Both::second(Second::same(5)),
    ];
    let urls = urls.map(|url| url.to_string());
    let expected = [
        "/rooms/1", "/first/rooms/2", "/second/rooms/3", "/again/same/4", "/second/same/5",
    ];
    assert_eq!(urls, expected);
}
