use serde::Serialize;
use ws_server::prelude::*;
use ws_server::topic::{HasPresence, Logged};

#[derive(Serialize)]
struct Event;

topics! {
    Room: "room/{id: u64}" => Event { history: 100, keep: 10m, presence: String };
    Lobby: "lobby" => Event;
    Typing: "typing/{id: u64}" => Event { relay: live };
}

struct Chat;

#[ws_handler]
impl Chat {
    fn init(socket: &Socket<Self>) -> Self {
        socket.subscribe(Lobby.replay(20));
        socket.subscribe(Typing(1).replay(20));
        socket.subscribe(Typing);
        Chat
    }

    fn message(&mut self, text: String, hub: &Hub) {
        hub.publish(Room(1), &text);
        hub.publish(Room("1"), &Event);
    }
}

fn members(_: impl HasPresence) {}

fn positions(_: impl Logged) {}

fn main() {
    members(Lobby);
    positions(Typing(1));
    let _: <Room as HasPresence>::Member = Event;
}
