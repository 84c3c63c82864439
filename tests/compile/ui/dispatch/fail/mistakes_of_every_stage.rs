//! A slip in one line hides no mistake of types in another.

use ws_server::prelude::*;

pub struct Room;

#[ws_handler]
impl Room {
    fn init() -> Self {
        Room
    }
}

struct Seat;

#[ws_handler]
impl Seat {
    fn init(Path(_): Path<u64>, _: Session) -> Self {
        Seat
    }
}

struct NoHandler;

mod admin {
    pub struct Routes;
}

dispatch! {
    pub struct Routes;

    typo:   "/typo" => Room { mailbocks: 8 };
    comma:  "/comma" => Room,
    none:   "/none" => NoHandler;
    param:  "/param/{id: u32}" => Seat { mailbocks: 8 };
    closed: "/closed/{id: u64}" => Seat { require_session: false };
    inner:  "/inner" => use admin::Routes;
    lost:   "/lost/:id" => Seat;
    unsure: "/unsure" => Seat { require_sesion: false };
}

fn main() {
    println!("{}", Routes::typo());
}
