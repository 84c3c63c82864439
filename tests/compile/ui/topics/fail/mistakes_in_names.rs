use ws_server::prelude::*;

topics! {
    pub struct Topics;

    pub room_events: "a" => u8;
    pub Room: "b" => u8;
    pub Room: "c" => u8;
    pub Topics: "d" => u8;
    pub type: "e" => u8;
    pub Self: "f" => u8;
    pub Room-Seat: "g" => u8;
    pub "Hall": "h" => u8;
    "lobby/{id}" => u8;
}

fn main() {}
