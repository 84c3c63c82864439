//! Each slip is reported once, and the lines around it exist.

use ws_server::{prelude::*, route::Table};

pub struct Room;

#[ws_handler]
impl Room {
    fn init() -> Self {
        Room
    }
}

dispatch! {
    pub struct Routes
    state: u8,

    a: "/a" => Room,
    b: "/b/{_id: u64}" => Room { mailbox: 8 },
    c: "/c" =>
    d: "/d" => use
    /// The line before has no arrow, and this one no semicolon.
    e: "/e"
    #[cfg(all())]
    f: "/f" => Room { mailbox: 8 }
    g: "/g" => Room junk { more } junk;
    h: "/h" => Room<
    i: "/i" => Room
}

fn main() {
    let _: Table<u8> = Routes::table();
    let urls = [
        Routes::a(),
        Routes::b(7),
        Routes::c(),
        Routes::e(),
        Routes::f(),
        Routes::g(),
        Routes::h(),
        Routes::i(),
    ];
    println!("{urls:?} {}", Routes::d(Routes::a()));
}
