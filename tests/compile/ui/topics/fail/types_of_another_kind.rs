use serde::Serialize;
use ws_server::prelude::*;

struct NotSerialize;

#[derive(Serialize)]
struct Event;

/// Not `Display`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Id;

topics! {
    Room: "room" => NotSerialize;
    Hall: "hall/{id: Id}" => Event;
    Desk: "desk" => Missing;
    Shelf: "shelf/{id: Unknown}" => Event;
}

fn main() {
    let _ = (Room, Hall(Id), Desk);
}
