use ws_server::prelude::*;

topics! {
    pub struct Topics;
    pub struct Others;

    #[doc = "x"]
    crate: ::ws_server;
    crate: ::ws_server;

    pub Room: "room" => u8;
}

topics! {
    pub struct WithFields { hub: Hub }

    pub Hall: "hall" => u8;
}

topics! {
    pub enum NotAStruct;

    pub Seat: "seat" => u8;
}

topics! {
    pub struct;

    pub Desk: "desk" => u8;
}

fn main() {
    let _ = (Topics, Room, WithFields, Hall, NotAStruct, Seat, Desk);
}
