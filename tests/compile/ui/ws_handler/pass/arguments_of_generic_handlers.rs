//! What an argument with a type parameter is depends on the handler that a table names.

use std::borrow::Cow;
use std::str::FromStr;

use ws_server::extract::{FromHandshake, Opening};
use ws_server::prelude::*;

struct Room<T>(T);

#[ws_handler]
impl<T: Clone + Send> Room<T> {
    fn init(Path(id): Path<T>, State(topic): State<T>) -> Self {
        let _ = topic.clone();
        Room(id)
    }
}

/// A role, by a type.
struct Auth<T>(T);

impl<'a, H, R, T: FromStr + Send> FromHandshake<'a, H, R> for Auth<T> {
    async fn from_handshake(opening: &'a Opening<H>) -> Result<Self, Refusal> {
        let name = opening.handshake().uri().path().rsplit('/').next();
        let role = name.and_then(|name| name.parse().ok());
        role.map(Auth).ok_or(Refusal::FORBIDDEN)
    }
}

struct Admin<T>(T);

#[ws_handler]
impl<T: FromStr> Admin<T> {
    fn init(Auth(role): Auth<T>) -> Self {
        Admin(role)
    }

    /// serde decodes a `Cow` as owned.
    fn message(&mut self, Json(text): Json<Cow<'_, str>>) -> String {
        text.into_owned()
    }
}

dispatch! {
    pub struct Routes;
    state: u64;

    room: "/rooms/{id: u64}" => Room<u64>;
    admin: "/admin/{_role: u64}" => Admin<u64>;
}

pub(crate) fn main() {
    let _ = Routes::table();
}
