//! The topics of these tests.

use serde::{Deserialize, Deserializer, Serialize};
use ws_server::prelude::*;

use super::Member;

topics! {
    pub(super) Room: "room/{id: u64}" => String { presence: Member };
    pub(super) Lobby: "lobby" => String { presence: u32 };
    pub(super) Odd: "odd" => String { presence: WriteOnly };
}

/// A member that is encoded as `null`, and cannot be decoded.
#[derive(Serialize)]
pub(super) struct WriteOnly;

impl<'de> Deserialize<'de> for WriteOnly {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(serde::de::Error::custom("it cannot be decoded"))
    }
}
