//! Keys of every kind, and the names that they have.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use ws_server::prelude::*;
use ws_server::topic::{AsTopic, HasHistory, HasPresence, Logged, LoggedReceipt, Receipt};

mod limits {
    use std::time::Duration;

    pub const MESSAGES: usize = 50;
    pub const KEEP: Duration = Duration::from_secs(90);
}

const LAST: usize = 1;

#[derive(Serialize, Deserialize, Debug)]
pub struct Event {
    pub text: String,
}

#[derive(Serialize, Deserialize, Debug)]
pub struct Member<T> {
    name: T,
}

/// A type of parameter that is not `Copy`.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Slug(String);

impl std::fmt::Display for Slug {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

topics! {
    /// The topics of the chat.
    pub struct Topics;

    /// The messages of a room.
    pub Room: "room/{id: u64}" => Event { history: 100, keep: 10m, presence: Member<String> };
    pub Price: "price/{symbol}" => f64 { history: latest, keep: 24h };
    pub(crate) Typing: "room/{room: u64}/typing" => (u64, bool) { relay: live };
    Lobby: "lobby" => String;
    Post: "{blog: Slug}/posts/{number: u32}/{draft: bool}" => &'static str {
        history: limits::MESSAGES, keep: limits::KEEP,
    };
    Seen: "seen/{user: String}" => ws_server::Message { history: LAST, keep: 1s };
    Who: "who" => Vec<u8> { presence: (u8, [u8; 2]) };
}

topics! {}

topics! {
    Alone: "alone/{a}/{b: char}" => Json<u8>;
}

fn logged(_: impl Logged + AsTopic<Receipt = LoggedReceipt>) {}
fn live(_: impl AsTopic<Receipt = Receipt>) {}
fn with_history(_: impl HasHistory) {}
fn with_members<M>(_: impl HasPresence<Member = M>, _: M) {}

struct Chat(Room);

#[ws_handler]
impl Chat {
    fn init(Path(id): Path<u64>, socket: &Socket<Self>) -> Self {
        let room = Room(id);
        socket.subscribe(room);
        socket.subscribe(room.replay(20));
        socket.subscribe(Typing(id));
        Self(room)
    }

    fn message(&mut self, text: String, hub: &Hub) {
        hub.publish(self.0, &Event { text });
        hub.publish(&Lobby, &"news".to_owned());
        hub.publish(Price("x".to_owned()), &1.5);
    }
}

dispatch! {
    struct Routes;

    chat: "/chat/{id: u64}" => Chat;
}

pub(crate) fn main() {
    let _ = Routes::table();
    let room = Room(7);
    let copy = room;
    assert_eq!(room, copy);
    assert_eq!(format!("{room:?}"), "Room(7)");
    assert_eq!(room.name(), "room/7");
    assert_eq!(Price("a/b c".to_owned()).name(), "price/a%2Fb%20c");
    assert_eq!(Typing(7).name(), "room/7/typing");
    assert_eq!(Lobby.name(), "lobby");
    let post = Post(Slug("rust".to_owned()), 3, true);
    assert_eq!(post.clone().name(), "rust/posts/3/true");
    assert_eq!(Seen("eve".to_owned()).name(), "seen/eve");
    assert_eq!(Alone("x".to_owned(), 'y').name(), "alone/x/y");
    assert_eq!(HashSet::from([Lobby, Lobby]).len(), 1);
    logged(room);
    logged(Lobby);
    live(Typing(1));
    with_history(room);
    with_members(room, Member { name: String::new() });
    with_members(Who, (1, [2, 3]));
    let _ = Topics;
}
