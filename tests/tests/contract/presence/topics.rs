//! The topics of these tests, as `topics!` expands them.

use serde::{Deserialize, Deserializer, Serialize};
use ws_core::topic::{Declaration, DeclaredTopic, HasPresence, Logged, NameWriter, Part};

use super::Member;

/// `"room/{id: u64}" => String { presence: Member }`
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Room(pub(super) u64);

impl DeclaredTopic for Room {
    type Value = String;
    const DECLARATION: &'static Declaration =
        &Declaration::new("room/{id: u64}", &[Part::Text("room"), Part::Parameter]);

    fn write_name(&self, name: &mut NameWriter) {
        name.text("room/");
        name.param(&self.0);
    }
}

impl Logged for Room {}

impl HasPresence for Room {
    type Member = Member;
}

/// `"lobby" => String { presence: u32 }`
pub(super) struct Lobby;

impl DeclaredTopic for Lobby {
    type Value = String;
    const DECLARATION: &'static Declaration = &Declaration::new("lobby", &[Part::Text("lobby")]);

    fn write_name(&self, name: &mut NameWriter) {
        name.text("lobby");
    }
}

impl Logged for Lobby {}

impl HasPresence for Lobby {
    type Member = u32;
}

/// `"odd" => String { presence: WriteOnly }`
pub(super) struct Odd;

impl DeclaredTopic for Odd {
    type Value = String;
    const DECLARATION: &'static Declaration = &Declaration::new("odd", &[Part::Text("odd")]);

    fn write_name(&self, name: &mut NameWriter) {
        name.text("odd");
    }
}

impl Logged for Odd {}

impl HasPresence for Odd {
    type Member = WriteOnly;
}

/// A member that is encoded as `null`, and cannot be decoded.
#[derive(Serialize)]
pub(super) struct WriteOnly;

impl<'de> Deserialize<'de> for WriteOnly {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(serde::de::Error::custom("it cannot be decoded"))
    }
}
