//! The handler of one page in one room. It lives as long as the page, over any number of
//! connections.

use serde::{Deserialize, Serialize};
use ws_server::page::PageSubscribeError;
use ws_server::prelude::*;

use crate::names;
use crate::removals::Removals;
use crate::topics::{
    Activity, Event, HISTORY, Member, RemovedFrom, Room, Seat, Typing, Typist, now,
};

/// The longest message, in characters.
const MAX_TEXT: usize = 500;

/// A request of the page.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Command {
    Say {
        text: String,
    },
    Typing,
    /// Counts the messages of another room, for a badge.
    Follow {
        room: String,
    },
    /// Removes a user from the room; for moderators.
    Remove {
        name: String,
    },
}

/// Why a request was refused.
#[derive(PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Refused {
    Empty,
    TooLong { max: usize },
    NoSuchRoom,
    TooManyRooms,
    Removed,
    Ended,
    NotModerator,
    NotHere,
}

/// One page in a room.
pub(crate) struct Chat {
    room: Room,
    /// The user's name. It is taken from the session, so the page cannot choose it.
    name: String,
}

#[ws_handler]
impl Chat {
    fn init(
        Path(room): Path<String>,
        session: Session,
        State(removals): State<Removals>,
        socket: &Socket<Self>,
        hub: &Hub,
    ) -> Result<Self, Refusal> {
        let name = session.user().ok_or(Refusal::UNAUTHORIZED)?.to_owned();
        if !names::is_room(&room) {
            return Err(Refusal::NOT_FOUND);
        }
        // Before the check: a removal after the check closes this connection.
        socket.subscribe(Seat(room.clone(), name.clone()));
        if let Some(moderator) = removals.moderator(&room, &name) {
            // Not 403: after that the browser client tries again with a fresh page.
            return Err(Refusal::GONE.body(removal_text(&moderator)));
        }
        let room = Room(room);
        socket.subscribe(room.replay(HISTORY));
        socket.subscribe(Typing(room.0.clone()));
        // Another tab of the user, or this one before its reload, came first.
        let since = hub
            .member(&room, &name)
            .map_or_else(now, |member| member.since);
        socket.enter(&room, &name, Member { since });
        socket.watch(&room);
        socket.listen(RemovedFrom(name.clone()));
        // The user has seen the room: the other pages clear its badge.
        hub.user(&name).push("opened", &room.0);
        Ok(Chat { room, name })
    }

    fn message(
        &mut self,
        Json(call): Json<Call<Command>>,
        page: Page,
        State(removals): State<Removals>,
        hub: &Hub,
    ) -> Answer<(), Refused> {
        let (id, command) = call.split();
        id.answer(match command {
            Command::Say { text } => self.say(text.trim(), hub),
            Command::Typing => {
                let name = self.name.clone();
                hub.publish_volatile(Typing(self.room.0.clone()), &Typist { name });
                Ok(())
            }
            Command::Follow { room } => self.follow(&room, &page, &removals),
            Command::Remove { name } => self.remove(name, &removals, hub),
        })
    }

    /// A moderator of another room has removed the user from it.
    fn info(&mut self, room: String, page: Page) {
        page.unsubscribe(Activity(room));
    }
}

impl Chat {
    fn say(&self, text: &str, hub: &Hub) -> Result<(), Refused> {
        if text.is_empty() {
            return Err(Refused::Empty);
        }
        if text.chars().count() > MAX_TEXT {
            return Err(Refused::TooLong { max: MAX_TEXT });
        }
        let (name, text) = (self.name.clone(), text.to_owned());
        let at = now();
        hub.publish(&self.room, &Event::Said { name, text, at });
        hub.publish(Activity(self.room.0.clone()), &self.name);
        Ok(())
    }

    fn follow(&self, room: &str, page: &Page, removals: &Removals) -> Result<(), Refused> {
        if !names::is_room(room) {
            return Err(Refused::NoSuchRoom);
        }
        let event = format!("activity/{room}");
        let topic = Activity(room.to_owned());
        page.subscribe(&event, topic.clone())
            .map_err(|error| match error {
                PageSubscribeError::TooMany { .. } => Refused::TooManyRooms,
                _ => Refused::Ended,
            })?;
        // After the subscription: `info` ends it if the removal comes later.
        if removals.moderator(room, &self.name).is_some() {
            page.unsubscribe(topic);
            return Err(Refused::Removed);
        }
        Ok(())
    }

    /// Closes all tabs of a user in this room, and keeps the user out for a while.
    fn remove(&self, name: String, removals: &Removals, hub: &Hub) -> Result<(), Refused> {
        let members = hub.members(&self.room);
        let longest = members.iter().min_by_key(|(_, member)| member.since);
        if longest.is_none_or(|(moderator, _)| *moderator != self.name) {
            return Err(Refused::NotModerator);
        }
        if name == self.name || !members.iter().any(|(member, _)| *member == name) {
            return Err(Refused::NotHere);
        }
        removals.add(&self.room.0, &name, &self.name);
        let close = Close::new(CloseCode::POLICY, removal_text(&self.name));
        hub.disconnect_topic(Seat(self.room.0.clone(), name.clone()), close);
        hub.publish(RemovedFrom(name.clone()), &self.room.0);
        let (by, at) = (self.name.clone(), now());
        hub.publish(&self.room, &Event::Removed { name, by, at });
        Ok(())
    }
}

fn removal_text(moderator: &str) -> String {
    format!("{moderator} removed you from this room")
}
