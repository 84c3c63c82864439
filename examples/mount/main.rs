//! A table inside an application that is already warp's: JSON routes and chat rooms that
//! share one state.
//!
//! `GET /api/rooms` lists the rooms, `POST /api/rooms/NUMBER` with `{"text": "…"}` says
//! something from outside, `/rooms/NUMBER/chat` is the chat. `/` is a page for it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use examples::{Options, announce};
use serde::{Deserialize, Serialize};
use warp::Filter;
use warp::http::StatusCode;
use ws_server::prelude::*;

/// How many people are in each room. The JSON routes read it, the handlers write it.
#[derive(Clone, Default)]
struct Rooms(Arc<Mutex<BTreeMap<u64, usize>>>);

impl Rooms {
    fn enter(&self, room: u64) -> usize {
        let mut rooms = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let people = rooms.entry(room).or_default();
        *people += 1;
        *people
    }

    fn leave(&self, room: u64) -> usize {
        let mut rooms = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let people = rooms.get_mut(&room).map_or(0, |people| {
            *people -= 1;
            *people
        });
        if people == 0 {
            rooms.remove(&room);
        }
        people
    }

    fn all(&self) -> BTreeMap<u64, usize> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// The state of the application; the handlers take the parts that they need.
#[derive(Clone, Default, FromRef)]
struct App {
    rooms: Rooms,
}

/// What a client says.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Command {
    Say { text: String },
    Leave,
}

/// What a room tells its clients.
#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Event {
    Entered { name: String, people: usize },
    Said { name: String, text: String },
    Left { name: String, people: usize },
}

fn topic(room: u64) -> Topic<Event> {
    Topic::new(format!("room:{room}"))
}

/// Who enters: `?name=Ada`.
#[derive(Deserialize)]
struct Visitor {
    name: Option<String>,
}

/// One client in one room.
struct Chat {
    room: u64,
    name: String,
}

#[ws_handler]
impl Chat {
    fn init(
        Path(room): Path<u64>,
        Query(visitor): Query<Visitor>,
        State(rooms): State<Rooms>,
        socket: &Socket<Self>,
        hub: &Hub,
    ) -> Result<Self, Refusal> {
        let name = visitor
            .name
            .unwrap_or_else(|| format!("guest {}", socket.id()));
        if name.is_empty() || name.chars().count() > 40 {
            return Err(Refusal::BAD_REQUEST.body("a name has 1 to 40 characters"));
        }
        socket.subscribe(&topic(room));
        let people = rooms.enter(room);
        hub.publish(
            &topic(room),
            &Event::Entered {
                name: name.clone(),
                people,
            },
        );
        Ok(Chat { room, name })
    }

    fn message(&mut self, Json(command): Json<Command>, hub: &Hub) -> Result<(), Close> {
        match command {
            Command::Say { text } => {
                let said = Event::Said {
                    name: self.name.clone(),
                    text,
                };
                hub.publish(&topic(self.room), &said);
                Ok(())
            }
            Command::Leave => Err(Close::NORMAL),
        }
    }

    fn terminate(self, State(rooms): State<Rooms>, hub: &Hub) {
        let people = rooms.leave(self.room);
        hub.publish(
            &topic(self.room),
            &Event::Left {
                name: self.name,
                people,
            },
        );
    }
}

dispatch! {
    struct Routes;
    state: App;

    chat: "/rooms/{room: u64}/chat" => Chat { require_session: false, max_message: 4 KiB };
}

/// The body of `POST /api/rooms/NUMBER`.
#[derive(Deserialize)]
struct Announcement {
    text: String,
}

#[ws_server::main]
async fn main() -> examples::Result<()> {
    tracing_subscriber::fmt().init();
    let options = Options::from_command_line()?;
    let app = App::default();
    let ws = Server::new(Routes::table()).state(app.clone()).build()?;

    let page = warp::path::end()
        .and(warp::get())
        .map(|| warp::reply::html(include_str!("page.html")));
    let list = warp::path!("api" / "rooms")
        .and(warp::get())
        .map(move || warp::reply::json(&app.rooms.all()));
    let hub = ws.hub();
    let say = warp::path!("api" / "rooms" / u64)
        .and(warp::post())
        .and(warp::body::content_length_limit(4 * 1024))
        .and(warp::body::json())
        .map(move |room, Announcement { text }| {
            let said = Event::Said {
                name: "the server".to_owned(),
                text,
            };
            match hub.publish(&topic(room), &said) {
                0 => StatusCode::NOT_FOUND,
                _ => StatusCode::ACCEPTED,
            }
        });

    let listener = options.bind().await?;
    announce(&listener, "/")?;
    Ok(ws
        .serve_listener(ws.filter().or(page).or(list).or(say), listener)
        .await?)
}
