//! The topics of a room, and the values published to them.

use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use ws_server::prelude::*;

/// The number of messages that a room keeps for newcomers.
pub(crate) const HISTORY: usize = 50;

topics! {
    /// The messages of a room, and the users in it.
    pub(crate) Room: "room/{room}" => Event { history: HISTORY, keep: 1h, presence: Member };

    /// The users who are typing. Nothing is kept: it is of interest for seconds.
    pub(crate) Typing: "room/{room}/typing" => Typist { relay: live };

    /// For pages in other rooms: the name of each user who writes in this room.
    pub(crate) Activity: "room/{room}/activity" => String { relay: live };

    /// The tabs of one user in a room. Nothing is published: it is for disconnecting them.
    pub(crate) Seat: "room/{room}/seat/{user}" => String { relay: live };

    /// For the user's pages in other rooms: the name of each room that the user must leave.
    pub(crate) RemovedFrom: "removed/{user}" => String { relay: live };
}

/// A message of a room. Times are milliseconds since 1970.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Event {
    Said { name: String, text: String, at: u64 },
    Removed { name: String, by: String, at: u64 },
}

/// A user in a room, under the user's name: several tabs are one member.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub(crate) struct Member {
    /// When the user came. The member who has been here longest moderates the room.
    pub(crate) since: u64,
}

/// A user who is typing.
#[derive(Serialize)]
#[serde(tag = "type", rename = "typing")]
pub(crate) struct Typist {
    pub(crate) name: String,
}

/// The milliseconds since 1970.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        since.as_secs() * 1000 + u64::from(since.subsec_millis())
    })
}
