//! The topics of faulty lines exist, so that no use of them is reported as well.

use serde::Serialize;
use ws_server::prelude::*;

#[derive(Serialize)]
pub struct Event;

topics! {
    pub struct Topics;

    pub Room: "/room/{id: u64}" => Event { history: 100, keep: 10m, presence: String };
    pub Seat: "seat/{row}-{number}" => Event;
    pub Hall: "hall/{id: u64}" => Event { histori: 100 };
    pub Desk: "desk/{id: u64}" =>;
    pub Lobby: "lobby" => Event { history: 1 };
    pub price: "price/{symbol}" => f64;
    pub Shelf: "shelf" => Event { presence: true };
    pub Right: "right/{id: u8}" => Event { history: latest, keep: 1m };
}

struct Chat {
    room: Room,
    seat: Seat,
    hall: Hall,
    desk: Desk,
}

#[ws_handler]
impl Chat {
    fn init(socket: &Socket<Self>) -> Self {
        let chat = Self {
            room: Room(1),
            seat: Seat(1, 2),
            hall: Hall(3),
            desk: Desk(4),
        };
        socket.subscribe(chat.room.replay(20));
        socket.subscribe(chat.hall.replay(20));
        socket.subscribe(Lobby.replay(1));
        socket.subscribe(&chat.seat);
        socket.subscribe(Right(1).replay(1));
        chat
    }

    fn message(&mut self, _: String, hub: &Hub) {
        hub.publish(self.room, &Event);
        hub.publish(&self.seat, &Event);
        hub.publish(self.desk.clone(), &Event);
        hub.publish(price("x".to_owned()), &1.5);
        hub.publish(Shelf, &Event);
    }
}

fn main() {
    let _ = Topics;
}
