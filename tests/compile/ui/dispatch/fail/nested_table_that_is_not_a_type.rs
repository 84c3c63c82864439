use ws_server::prelude::*;

pub struct Room;

#[ws_handler]
impl Room {
    fn init() -> Self {
        Room
    }
}

mod admin {
    use super::*;

    dispatch! {
        pub struct Routes;
        room: "/room" => Room;
    }
}

dispatch! {
    pub struct Routes;

    call:  "/call"  => use admin::Routes::table();
    all:   "/all"   => use admin::*;
    group: "/group" => use admin::{Routes};
    named: "/named" => use admin::Routes as Admin;
    none:  "/none"  => use;
}

fn main() {
    let url = admin::Routes::room;
    let urls = [
        Routes::call(url()),
        Routes::all(url()),
        Routes::group(url()),
        Routes::named(url()),
        Routes::none(url()),
    ];
    println!("{urls:?}");
}
