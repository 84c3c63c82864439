//! The rooms, and the handler of one client in one of them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use ws_server::prelude::*;

/// The number of people in each room. The JSON routes read it, and the handlers write it.
#[derive(Clone, Default)]
pub(crate) struct Rooms(Arc<Mutex<BTreeMap<u64, usize>>>);

impl Rooms {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a person in. The event is published under the lock, so that events stay in the order
    /// of their counts even if several people enter and leave at once.
    fn enter(&self, room: u64, name: Option<String>, hub: &Hub) {
        let mut rooms = self.lock();
        let people = rooms.entry(room).or_default();
        *people += 1;
        let people = *people;
        hub.publish(topic(room), &Event::Entered { name, people });
    }

    /// Counts a person out, and publishes under the lock for the same reason.
    fn leave(&self, room: u64, name: Option<String>, hub: &Hub) {
        let mut rooms = self.lock();
        let people = rooms.get_mut(&room).map_or(0, |people| {
            *people -= 1;
            *people
        });
        if people == 0 {
            rooms.remove(&room);
        }
        hub.publish(topic(room), &Event::Left { name, people });
    }

    /// All rooms that are not empty.
    pub(crate) fn all(&self) -> BTreeMap<u64, usize> {
        self.lock().clone()
    }
}

/// A message from a client.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Command {
    Say { text: String },
    Leave,
}

/// An event of a room. A guest has no name.
#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Event {
    Entered { name: Option<String>, people: usize },
    Said { name: String, text: String },
    Left { name: Option<String>, people: usize },
}

/// A message to one client only.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Answer {
    Refused { why: &'static str },
}

impl Answer {
    /// The refusal for a guest.
    pub(crate) const GUESTS_ONLY_READ: Self = Self::Refused {
        why: "log on to write",
    };
}

/// The topic for the events of a room.
pub(crate) fn topic(room: u64) -> Topic<Event> {
    Topic::local(format!("room:{room}"))
}

/// One client in one room.
pub(crate) struct Chat {
    room: u64,
    /// The user's name. It is taken from the session, so the client cannot choose it.
    name: Option<String>,
}

#[ws_handler]
impl Chat {
    fn init(
        Path(room): Path<u64>,
        session: Session,
        State(rooms): State<Rooms>,
        socket: &Socket<Self>,
        hub: &Hub,
    ) -> Self {
        let name = session.user().map(str::to_owned);
        socket.subscribe(topic(room));
        rooms.enter(room, name.clone(), hub);
        Chat { room, name }
    }

    fn message(
        &mut self,
        Json(command): Json<Command>,
        hub: &Hub,
    ) -> Result<Option<Json<Answer>>, Close> {
        match (command, &self.name) {
            (Command::Say { text }, Some(name)) => {
                let name = name.clone();
                hub.publish(topic(self.room), &Event::Said { name, text });
                Ok(None)
            }
            (Command::Say { .. }, None) => Ok(Some(Json(Answer::GUESTS_ONLY_READ))),
            (Command::Leave, _) => Err(Close::NORMAL),
        }
    }

    fn terminate(self, State(rooms): State<Rooms>, hub: &Hub) {
        rooms.leave(self.room, self.name, hub);
    }
}
