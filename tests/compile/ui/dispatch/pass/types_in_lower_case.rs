//! Types of the application whose names are nearly those of the language.
#![deny(warnings)]
#![allow(non_camel_case_types)]

use ws_server::prelude::*;

type string = String;
type u46 = u64;

struct Room;

#[ws_handler]
impl Room {
    fn init(Path((name, id)): Path<(String, u64)>) -> Self {
        let _ = (name, id);
        Room
    }
}

dispatch! {
    struct Routes;

    room: "/rooms/{name: string}/{id: u46}" => Room;
}

pub(crate) fn main() {
    assert_eq!(Routes::room("a".to_owned(), 7).to_string(), "/rooms/a/7");
}
