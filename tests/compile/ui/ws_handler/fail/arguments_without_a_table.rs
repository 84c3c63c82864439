//! What no route gives is refused without a table, also under another name.

use ws_server::extract::{FromHandshake, Opening};
use ws_server::prelude::*;

type Number = u64;
type Why = CloseReason;
type Id = Path<u64>;

/// An argument on routes whose parameter is a number; its own part is none.
struct Wrapped<T>(T);

impl<'a, H, R, T> FromHandshake<'a, H, R> for Wrapped<T>
where
    T: FromHandshake<'a, H, R>,
{
    async fn from_handshake(_: &'a Opening<H>) -> Result<Self, Refusal> {
        Err(Refusal::FORBIDDEN)
    }
}

struct Room;

#[ws_handler]
impl Room {
    fn init(_: Number, _: Why, _: Wrapped<u8>) -> Self {
        Room
    }

    fn message(&mut self, _: String, _: Why, _: Id) {}

    fn terminate(self, _: Id) {}
}

fn main() {}
