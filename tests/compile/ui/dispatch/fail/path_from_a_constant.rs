//! A table is read before constants have values and other macros are expanded.

use ws_server::prelude::*;

pub struct Room;

#[ws_handler]
impl Room {
    fn init() -> Self {
        Room
    }
}

const ROOMS: &str = "/rooms";

dispatch! {
    pub struct Routes;

    rooms: ROOMS => Room;
    seats: self::ROOMS => Room;
    chat: concat!("/rooms", "/chat") => Room;
    news: "/news" => Room;
}

fn main() {
    println!("{ROOMS} {} {} {}", Routes::rooms(), Routes::seats(), Routes::chat());
    println!("{}", Routes::news());
}
