//! Each slip is reported once, and the options around it are read.

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

    a: "/a" => Room { require_session = false, mailbocks: 8 };
    b: "/b" => Room { !require_session };
    c: "/c" => Room { require_session };
    d: "/d" => Room { mailbox 8, timers => 9 };
    e: "/e" => Room { mailbox: 8 timers: 9, tasks: 9s };
    f: "/f" => Room { mailbox: 8; timers: 9; tasks: 9s };
    g: "/g" => Room { "mailbox": 8, max-message: 1 KiB };
    h: "/h" => Room { ..NONE, tasks: 9s };
    i: "/i" => Room (require_session: false);
    j: "/j" => Room [mailbox: 8];
}

fn main() {
    let urls = [
        Routes::a(),
        Routes::b(),
        Routes::c(),
        Routes::d(),
        Routes::e(),
        Routes::f(),
        Routes::g(),
        Routes::h(),
        Routes::i(),
        Routes::j(),
    ];
    println!("{urls:?}");
}
