//! Topics that `topics!` declares.

use std::any::TypeId;
use std::fmt::{self, Display, Write as _};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::declaration::Declaration;
use super::key::{Declared, TopicRef};
use super::position::Position;
use super::start::{Replay, Since, WithPosition};
use super::value::TopicValue;
use crate::log::TopicName;

/// A topic declared with `topics!`: the type is the declaration, and a value of it is one topic.
///
/// The declaration fixes the type of the values, the history and the members. Do not implement this
/// trait yourself: `topics!` does, and its hidden items may change.
///
/// ```
/// use ws_server::prelude::*;
///
/// topics! {
///     /// What is said in a room.
///     pub Room: "room/{id: u64}" => String { history: 100, keep: 10m };
/// }
///
/// struct Chat;
///
/// #[ws_handler]
/// impl Chat {
///     fn init(Path(id): Path<u64>, socket: &Socket<Self>) -> Self {
///         socket.subscribe(Room(id).replay(20));
///         Chat
///     }
/// }
/// assert_eq!(Room(7).name(), "room/7");
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a declared topic",
    label = "not declared with `topics!`",
    note = "`Topic::local` creates a topic without history and members; declare one with `topics!`"
)]
pub trait DeclaredTopic: Send + Sync + 'static {
    /// The type of the values published to the topic.
    type Value: TopicValue;

    #[doc(hidden)]
    const DECLARATION: &'static Declaration;

    #[doc(hidden)]
    fn write_name(&self, name: &mut NameWriter);

    /// The name: the pattern with the values of the parameters, percent-encoded. The end of a name
    /// of more than 256 bytes is replaced by a hash.
    fn name(&self) -> String {
        topic_name(self).as_str().to_owned()
    }

    /// Subscribes with the last `last` messages of the history, followed by all later messages:
    /// none is missing in between, and none is doubled.
    fn replay(&self, last: usize) -> Replay<Self::Value>
    where
        Self: HasHistory,
    {
        Replay::new(TopicRef::of(self), last)
    }

    /// Subscribes with all messages after a position, as far as the history goes back.
    fn since(&self, position: Position) -> Since<Self::Value>
    where
        Self: HasHistory,
    {
        Since::new(TopicRef::of(self), position)
    }

    /// Listens with the position of each message, as
    /// [`Received<Value>`](super::Received).
    fn with_position(&self) -> WithPosition<TopicRef<Self::Value>>
    where
        Self: Logged,
    {
        WithPosition::new(TopicRef::of(self))
    }
}

/// A declared topic that keeps a history: `history` in `topics!`.
///
/// ```
/// use ws_server::Socket;
/// use ws_server::socket::Sends;
/// use ws_server::topic::HasHistory;
///
/// fn join<H: Sends<T::Value>, T: HasHistory>(socket: &Socket<H>, topic: &T) {
///     socket.subscribe(topic.replay(20));
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` keeps no history",
    label = "needs a topic with a history",
    note = "add `history: 100, keep: 10m` to its line in `topics!`"
)]
pub trait HasHistory: Logged {}

/// A declared topic that knows its members: `presence` in `topics!`.
///
/// ```
/// use ws_server::prelude::*;
/// use ws_server::topic::HasPresence;
///
/// topics! {
///     pub Room: "room/{id: u64}" => String { presence: u32 };
/// }
///
/// fn has_members<T: HasPresence<Member = u32>>(_: &T) -> bool { true }
/// assert!(has_members(&Room(7)));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no members",
    label = "needs a topic with presence",
    note = "add `presence: Member` to its line in `topics!`, with the type of a member"
)]
pub trait HasPresence: Logged {
    /// The description of a member.
    type Member: MemberValue;
}

/// The description of a member of a topic: every type that is `Serialize` and `Deserialize`. It is
/// sent and kept as JSON.
///
/// ```
/// use ws_server::topic::MemberValue;
///
/// #[derive(serde::Serialize, serde::Deserialize)]
/// struct Member { name: String }
///
/// fn is_member<M: MemberValue>() -> bool { true }
/// assert!(is_member::<Member>());
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot describe a member of a topic",
    label = "not `Serialize` and `Deserialize`",
    note = "derive `serde::Serialize` and `serde::Deserialize` for it"
)]
pub trait MemberValue: Serialize + DeserializeOwned + Send + 'static {}

impl<M: Serialize + DeserializeOwned + Send + 'static> MemberValue for M {}

/// A declared topic whose messages have positions: every one without `relay: live`.
///
/// ```
/// use ws_server::prelude::*;
/// use ws_server::topic::Logged;
///
/// topics! {
///     pub News: "news" => String;
/// }
///
/// fn is_logged<T: Logged>(_: &T) -> bool { true }
/// assert!(is_logged(&News));
/// ```
#[diagnostic::on_unimplemented(
    message = "the messages of `{Self}` have no positions",
    label = "is not logged",
    note = "remove `relay: live` from its line in `topics!`"
)]
pub trait Logged: DeclaredTopic {}

/// A named `topics!` block, for [`distinct_topics!`](crate::distinct_topics).
///
/// ```
/// use ws_server::topic::TopicBlock;
///
/// ws_server::topics! { pub struct Topics; pub News: "news" => String; }
///
/// fn is_block<B: TopicBlock>() -> bool { true }
/// assert!(is_block::<Topics>());
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the name of a `topics!` block",
    label = "not a block",
    note = "name the block by `pub struct Topics;` in its first line"
)]
pub trait TopicBlock {
    #[doc(hidden)]
    const DECLARATIONS: &'static [&'static Declaration];
}

/// All but what encoded parameters contain: the unreserved characters (RFC 3986, section 2.3).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Collects the name of a topic.
#[doc(hidden)]
#[derive(Default, Debug)]
pub struct NameWriter {
    name: String,
}

impl NameWriter {
    /// Appends a literal part of the pattern.
    pub fn text(&mut self, text: &str) {
        self.name.push_str(text);
    }

    /// Appends a parameter, percent-encoded: it cannot contain a `/` and so cannot name another
    /// topic.
    pub fn param<T: Display + ?Sized>(&mut self, param: &T) {
        // A `Display` that fails ends its parameter; this `Write` never fails.
        let _ = write!(Encoder(&mut self.name), "{param}");
    }
}

struct Encoder<'n>(&'n mut String);

impl fmt::Write for Encoder<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend(utf8_percent_encode(text, ENCODED));
        Ok(())
    }
}

impl<T: 'static> TopicRef<T> {
    /// The topic of a key of a declared topic.
    pub fn of<D: DeclaredTopic<Value = T> + ?Sized>(topic: &D) -> Self {
        Self::declared(topic_name(topic), declared::<D>())
    }
}

pub(super) fn declared<D: DeclaredTopic + ?Sized>() -> Declared {
    Declared::Here {
        declaration: D::DECLARATION,
        id: TypeId::of::<D>(),
    }
}

pub(super) fn topic_name<D: DeclaredTopic + ?Sized>(topic: &D) -> TopicName {
    let mut writer = NameWriter {
        name: String::with_capacity(D::DECLARATION.pattern().len() + 16),
    };
    topic.write_name(&mut writer);
    TopicName::new(writer.name)
}

#[cfg(test)]
mod tests;
