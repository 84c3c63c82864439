//! A parameter whose name became a keyword with edition 2024.
#![deny(warnings)]

use ws_server::prelude::*;

#[derive(PathParams)]
struct Place {
    r#gen: u64,
}

struct Room;

#[ws_handler]
impl Room {
    fn init(Path(Place { r#gen: _ }): Path<Place>) -> Self {
        Room
    }
}

dispatch! {
    struct Routes;

    r#gen: "/gen/{gen: u64}" => Room;
}

pub(crate) fn main() {
    let _ = Routes::table();
    assert_eq!(Routes::r#gen(7).to_string(), "/gen/7");
}
