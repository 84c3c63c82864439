use ws_server::prelude::*;

topics! {
    pub struct Topics;

    pub Room: "room/{x}" => u8;
    pub Lobby: "room/lobby" => u8;
    pub Seat: "seat/{id: u64}" => u8;
    pub First: "seat/first" => u8;
    pub Any: "{kind}/{id: u64}" => u8;
    pub Typing: "room/{x}/typing" => u8;
    pub Hall: "hall" => u8;
    pub Same: "hall" => u8;
}

fn main() {
    let _ = (Room(String::new()), Lobby, Seat(1), First, Any(String::new(), 1), Hall, Same, Topics);
}
