//! What else may be written behind `=>`, each with what belongs there.

use ws_server::prelude::*;

pub struct Room;

#[ws_handler]
impl Room {
    fn init() -> Self {
        Room
    }
}

mod chat {
    pub use super::Room;
}

dispatch! {
    pub struct Routes;

    made:    "/made"    => Room::new();
    called:  "/called"  => chat::Room(5) { mailbox: 8 };
    closure: "/closure" => |message| { message };
    moved:   "/moved"   => async move |message| message;
    nothing: "/nothing" => ;
    text:    "/text"    => "chat::Room";
    words:   "/words"   => "a room" { mailbox: 8 };
    lent:    "/lent"    => &Room;
    two:     "/two"     => (Room, Room);
    some:    "/some"    => dyn Send { mailbox: 0 };
    number:  "/number"  => 5;
    any:     "/any"     => _;
}

fn main() {
    let urls = [
        Routes::made(),
        Routes::called(),
        Routes::closure(),
        Routes::moved(),
        Routes::nothing(),
        Routes::text(),
        Routes::words(),
        Routes::lent(),
        Routes::two(),
        Routes::some(),
        Routes::number(),
        Routes::any(),
    ];
    println!("{urls:?}");
}
