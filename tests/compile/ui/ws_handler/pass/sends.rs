//! Handlers that declare what they send beside replies, and one that does not.
#![deny(warnings)]

use std::time::Duration;

use serde::Serialize;
use ws_server::Policy;
use ws_server::call::Answer;
use ws_server::prelude::*;
use ws_server::socket::Sends;

#[derive(Serialize)]
struct Event;

#[derive(Serialize)]
struct Score<T>(T);

struct Room;

#[ws_handler(sends(Event, String, Answer<u8, String>, Bytes))]
impl Room {
    fn init(socket: &Socket<Self>) -> Result<Self, Refusal> {
        let _ = socket.send(Json(Event));
        let _ = (socket.send("text"), socket.send(String::new()));
        let _ = socket.send(Bytes::new());
        let events: Topic<Event> = Topic::local("events");
        socket.subscribe(&events);
        socket.subscribe_with(&events, Policy::Latest);
        // The type of this topic is inferred from what is published to it.
        let inferred = Topic::local("inferred");
        socket.subscribe(&inferred);
        Hub::default().publish(&inferred, &Event);
        socket.spawn(async {}).or_refuse()?;
        socket.spawn(async { Close::NORMAL }).or_refuse()?;
        socket.spawn(async { Some(Json(Event)) }).or_refuse()?;
        socket.spawn(async { (vec!["text"], Close::NORMAL) }).or_refuse()?;
        socket.spawn(async { Ok::<_, Close>(Json(Event)) }).or_refuse()?;
        socket.spawn(later(socket.clone())).or_refuse()?;
        let endless = async {
            loop {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        socket.spawn(endless).or_refuse()?;
        Ok(Room)
    }

    // A reply is no part of the declaration.
    fn message(&mut self, number: Json<u8>) -> Json<u8> {
        number
    }
}

async fn later(socket: Socket<Room>) {
    let _ = socket.send_async(Json(Event)).await;
    // A `Sender` sends everything.
    let _ = socket.sender().send(Json(7));
}

/// It sends replies alone.
struct Quiet;

#[ws_handler(sends(), crate = ws_server)]
impl Quiet {
    fn init(socket: &Socket<Self>) -> Result<Self, Refusal> {
        socket.spawn(async {}).or_refuse()?;
        Ok(Quiet)
    }
}

struct Scores<T>(T);

#[ws_handler(sends(Score<T>))]
impl<T: Serialize + Clone + Default + Send + 'static> Scores<T> {
    fn init(socket: &Socket<Self>) -> Self {
        let _ = socket.send(Json(Score(T::default())));
        Scores(T::default())
    }
}

/// It declares nothing, and sends everything.
struct Free;

#[ws_handler]
impl Free {
    fn init(socket: &Socket<Self>) -> Self {
        let _ = (socket.send("text"), socket.send(Json(7)), socket.send(Json(Event)));
        let inferred = Topic::local("inferred");
        socket.subscribe(&inferred);
        Hub::default().publish(&inferred, &7_u8);
        greet(socket);
        Free
    }
}

/// Generic over the handler.
fn greet<H: Sends<String>>(socket: &Socket<H>) {
    let _ = socket.send("hello");
}

/// Not made by the macro.
struct Own;

impl<M: ?Sized> Sends<M> for Own {}

dispatch! {
    struct Routes;
    defaults { require_session: false }

    room:   "/room"   => Room;
    quiet:  "/quiet"  => Quiet;
    scores: "/scores" => Scores<u8>;
    free:   "/free"   => Free;
}

pub(crate) fn main() {
    let _ = Routes::table();
    let _ = (Routes::room(), Routes::quiet(), Routes::scores(), Routes::free());
    let _ = |socket: &Socket<Own>| {
        let _ = (socket.send("text"), socket.send(Json(Event)));
        greet(socket);
    };
    let _ = |socket: &Socket<Room>| greet(socket);
}
