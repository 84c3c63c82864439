//! Each slip is reported once, and the lines around it exist.

use ws_server::prelude::*;

pub struct Room;

#[ws_handler]
impl Room {
    fn init() -> Self {
        Room
    }
}

dispatch! {
    pub struct Routes;

    pub a: "/a" => Room;
    b = "/b" => Room;
    c "/c" => Room;
    d-e: "/d" => Room;
    "f": "/f" => Room;
    "/g/{_id: u64}" => Room;
    h: => Room;
    i: /i/{_id} => Room;
    j: 'j' => Room;
    k: "/k" -> Room;
    l: "/l" = Room;
    m: "/m": Room;
    n: "/n" => Room;
}

fn main() {
    let urls = [
        Routes::a(),
        Routes::b(),
        Routes::c(),
        Routes::d_e(),
        Routes::f(),
        Routes::k(),
        Routes::l(),
        Routes::m(),
        Routes::n(),
    ];
    println!("{urls:?}");
    println!("{} {} {}", Routes::h(), Routes::i(7), Routes::j());
}
