//! The room: its topic, and the handler of one page in it.

use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use ws_server::page::Resumed;
use ws_server::prelude::*;

/// The longest message, in characters.
const MAX_TEXT: usize = 500;

/// The name of this server.
#[derive(Clone)]
pub(crate) struct ServerName(pub(crate) String);

/// A message of the room.
#[derive(Serialize, Deserialize)]
pub(crate) struct Said {
    name: String,
    text: String,
    /// The server to which its author was connected.
    server: String,
    /// Milliseconds since 1970.
    at: u64,
}

/// What the others see of a member.
#[derive(Serialize, Deserialize)]
pub(crate) struct Member {
    server: String,
}

topics! {
    /// What is said in the room, and who is there, on all servers.
    pub(crate) Room: "room" => Said { history: 100, keep: 1h, presence: Member };
}

/// A request of the page.
#[derive(Deserialize)]
struct Say {
    text: String,
}

/// Why a message was not sent.
#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
enum Refused {
    Empty,
    TooLong,
    /// Redis does not answer: it was not sent, or it is not known whether it was.
    Unavailable,
}

/// The name of a visitor. A real application has users who log on.
pub(crate) fn name_of(session: &Session) -> String {
    let id = session.id().to_string();
    format!("visitor {}", &id[..4])
}

/// One page in the room. It lives as long as its page, or as this server: on another one, the page
/// gets a new handler.
pub(crate) struct Chat {
    name: String,
    server: String,
}

#[ws_handler]
impl Chat {
    fn init(
        session: Session,
        resumed: Resumed,
        page: Page,
        State(server): State<ServerName>,
        socket: &Socket<Self>,
    ) -> Result<Self, Refusal> {
        // A new page begins with the last messages. One that comes from another server gets what it
        // has missed, and nothing twice.
        resumed.subscribe("said", Room.replay(50))?;
        let (name, server) = (name_of(&session), server.0);
        let member = Member {
            server: server.clone(),
        };
        socket.enter(&Room, &name, member);
        socket.watch(&Room);
        page.push("server", &server);
        Ok(Chat { name, server })
    }

    async fn message(&mut self, Json(call): Json<Call<Say>>, hub: &Hub) -> Answer<(), Refused> {
        let (id, Say { text }) = call.split();
        id.answer(self.say(text.trim(), hub).await)
    }
}

impl Chat {
    async fn say(&self, text: &str, hub: &Hub) -> Result<(), Refused> {
        if text.is_empty() {
            return Err(Refused::Empty);
        }
        if text.chars().count() > MAX_TEXT {
            return Err(Refused::TooLong);
        }
        let said = Said {
            name: self.name.clone(),
            text: text.to_owned(),
            server: self.server.clone(),
            at: now(),
        };
        // Accepted: every page of the room gets it, whatever happens to this server.
        let published = hub.publish(Room, &said).await;
        published.map(drop).map_err(|_| Refused::Unavailable)
    }
}

fn now() -> u64 {
    let since = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
