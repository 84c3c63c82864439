//! What a subscription begins with.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::key::TopicRef;
use super::named::AsTopic;
use super::position::{Position, SinceError};
use super::value::TopicValue;
use crate::log::Cursor;

/// A message of a declared topic with its position, for handlers that
/// [listen](crate::socket::Socket::listen) [with positions](super::DeclaredTopic::with_position).
///
/// ```
/// use ws_server::prelude::*;
/// use ws_server::topic::Received;
///
/// topics! {
///     pub News: "news" => String { history: 100, keep: 10m };
/// }
///
/// /// Sends each message with its position, so that the client can continue later.
/// struct Reader;
///
/// #[ws_handler]
/// impl Reader {
///     fn init(socket: &Socket<Self>) -> Self {
///         socket.listen(News.replay(20).with_position());
///         Reader
///     }
///
///     fn info(&mut self, received: Received<String>) -> Json<Received<String>> {
///         Json(received)
///     }
/// }
/// ```
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Received<T> {
    /// The published value.
    pub value: T,
    /// The position of its message.
    pub position: Position,
}

/// The topic of a subscription, and what it begins with.
#[doc(hidden)]
#[derive(Debug)]
pub struct Plan<T: ?Sized> {
    pub(crate) topic: TopicRef<T>,
    pub(crate) start: Start,
}

/// The first message of a subscription.
#[derive(Clone, Debug)]
pub(crate) enum Start {
    /// The next one that is published.
    Now,
    /// This many messages of the history.
    Replay(usize),
    /// The first one behind the position.
    Since(Position),
    /// The first one behind the cursor of a page.
    Behind(Arc<Cursor>),
}

impl Start {
    /// Whether the subscriber must get every message behind a position.
    pub(crate) const fn is_since(&self) -> bool {
        matches!(self, Self::Since(_))
    }
}

/// What a client can be [subscribed](crate::socket::Socket::subscribe) to: a topic, alone
/// ([`AsTopic`]), with the last messages of its history ([`Replay`]), or from a position on
/// ([`Since`]).
///
/// ```
/// use ws_server::prelude::*;
/// use ws_server::topic::Subscribable;
///
/// topics! {
///     pub News: "news" => String { history: 100, keep: 10m };
/// }
///
/// fn is_subscribable<S: Subscribable<Value = String>>(_: S) -> bool { true }
/// assert!(is_subscribable(News) && is_subscribable(News.replay(20)));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a topic",
    label = "not a topic",
    note = "declare topics with `topics!`, or create one with `Topic::local(name)`"
)]
pub trait Subscribable {
    /// The type of the values published to the topic.
    type Value: TopicValue;

    /// The result of the subscription: `()` if it cannot fail.
    type Outcome;

    #[doc(hidden)]
    fn plan(self) -> Plan<Self::Value>;

    #[doc(hidden)]
    fn outcome(result: Result<(), SinceError>) -> Self::Outcome;
}

impl<A: AsTopic> Subscribable for A
where
    A::Value: TopicValue,
{
    type Value = A::Value;
    type Outcome = ();

    fn plan(self) -> Plan<A::Value> {
        Plan {
            topic: self.as_topic_ref(),
            start: Start::Now,
        }
    }

    fn outcome(_: Result<(), SinceError>) {}
}

/// A topic with the last messages of its history; made by
/// [`DeclaredTopic::replay`](super::DeclaredTopic::replay).
///
/// ```
/// use ws_server::prelude::*;
///
/// topics! {
///     pub News: "news" => String { history: 100, keep: 10m };
/// }
///
/// struct Reader;
///
/// #[ws_handler]
/// impl Reader {
///     fn init(socket: &Socket<Self>) -> Self {
///         socket.subscribe(News.replay(20));
///         Reader
///     }
/// }
/// ```
#[derive(Debug)]
#[must_use = "pass it to `subscribe` or `listen`"]
pub struct Replay<T: ?Sized> {
    topic: TopicRef<T>,
    last: usize,
}

impl<T: ?Sized> Replay<T> {
    pub(super) const fn new(topic: TopicRef<T>, last: usize) -> Self {
        Self { topic, last }
    }

    /// Same as [`DeclaredTopic::with_position`](super::DeclaredTopic::with_position).
    pub const fn with_position(self) -> WithPosition<Self> {
        WithPosition::new(self)
    }
}

impl<T: TopicValue> Subscribable for Replay<T> {
    type Value = T;
    type Outcome = ();

    fn plan(self) -> Plan<T> {
        Plan {
            topic: self.topic,
            start: Start::Replay(self.last),
        }
    }

    fn outcome(_: Result<(), SinceError>) {}
}

/// A topic from a position on; made by [`DeclaredTopic::since`](super::DeclaredTopic::since).
///
/// ```
/// use serde::Deserialize;
/// use ws_server::prelude::*;
/// use ws_server::topic::Position;
///
/// topics! {
///     pub News: "news" => String { history: 100, keep: 10m };
/// }
///
/// #[derive(Deserialize)]
/// struct From { since: Position }
///
/// struct Reader;
///
/// #[ws_handler]
/// impl Reader {
///     fn init(Query(from): Query<From>, socket: &Socket<Self>) -> Result<Self, Refusal> {
///         socket.subscribe(News.since(from.since))?;
///         Ok(Reader)
///     }
/// }
/// ```
#[derive(Debug)]
#[must_use = "pass it to `subscribe` or `listen`"]
pub struct Since<T: ?Sized> {
    topic: TopicRef<T>,
    position: Position,
}

impl<T: ?Sized> Since<T> {
    pub(super) const fn new(topic: TopicRef<T>, position: Position) -> Self {
        Self { topic, position }
    }

    /// Same as [`DeclaredTopic::with_position`](super::DeclaredTopic::with_position).
    pub const fn with_position(self) -> WithPosition<Self> {
        WithPosition::new(self)
    }
}

impl<T: TopicValue> Subscribable for Since<T> {
    type Value = T;
    type Outcome = Result<(), SinceError>;

    fn plan(self) -> Plan<T> {
        Plan {
            topic: self.topic,
            start: Start::Since(self.position),
        }
    }

    fn outcome(result: Result<(), SinceError>) -> Self::Outcome {
        result
    }
}

/// A topic whose messages are delivered to a handler with their positions: see [`Received`].
///
/// ```
/// use ws_server::prelude::*;
/// use ws_server::topic::{Listenable, Received};
///
/// topics! {
///     pub News: "news" => String { history: 100, keep: 10m };
/// }
///
/// fn has_positions<L: Listenable<Item = Received<String>>>(_: L) -> bool { true }
/// assert!(has_positions(News.with_position()));
/// ```
#[derive(Debug)]
#[must_use = "pass it to `listen`"]
pub struct WithPosition<S>(S);

impl<S> WithPosition<S> {
    pub(super) const fn new(source: S) -> Self {
        Self(source)
    }
}

/// What a handler can [listen](crate::socket::Socket::listen) to: everything that is
/// [`Subscribable`], and that [with positions](WithPosition).
///
/// ```
/// use ws_server::prelude::*;
/// use ws_server::topic::Listenable;
///
/// topics! {
///     pub News: "news" => String { history: 100, keep: 10m };
/// }
///
/// fn gets_values<L: Listenable<Item = String>>(_: L) -> bool { true }
/// assert!(gets_values(News));
/// ```
#[diagnostic::on_unimplemented(
    message = "a handler cannot listen to `{Self}`",
    label = "not a topic",
    note = "declare topics with `topics!`, or create one with `Topic::local(name)`"
)]
pub trait Listenable {
    /// The type of the values published to the topic.
    type Value: TopicValue;

    /// What the handler gets: the value, or [`Received`] with its position.
    type Item;

    /// The result of the subscription: `()` if it cannot fail.
    type Outcome;

    #[doc(hidden)]
    fn plan(self) -> Plan<Self::Value>;

    #[doc(hidden)]
    fn outcome(result: Result<(), SinceError>) -> Self::Outcome;

    /// Whether the handler gets positions.
    #[doc(hidden)]
    const HAS_POSITION: bool;

    #[doc(hidden)]
    fn item(value: Self::Value, position: Option<Position>) -> Option<Self::Item>;
}

#[diagnostic::do_not_recommend]
impl<S: Subscribable> Listenable for S {
    type Value = S::Value;
    type Item = S::Value;
    type Outcome = S::Outcome;

    const HAS_POSITION: bool = false;

    fn plan(self) -> Plan<S::Value> {
        Subscribable::plan(self)
    }

    fn outcome(result: Result<(), SinceError>) -> S::Outcome {
        <S as Subscribable>::outcome(result)
    }

    fn item(value: S::Value, _: Option<Position>) -> Option<S::Value> {
        Some(value)
    }
}

impl<S: Subscribable> Listenable for WithPosition<S> {
    type Value = S::Value;
    type Item = Received<S::Value>;
    type Outcome = S::Outcome;

    const HAS_POSITION: bool = true;

    fn plan(self) -> Plan<S::Value> {
        self.0.plan()
    }

    fn outcome(result: Result<(), SinceError>) -> S::Outcome {
        S::outcome(result)
    }

    fn item(value: S::Value, position: Option<Position>) -> Option<Received<S::Value>> {
        position.map(|position| Received { value, position })
    }
}

impl<T: TopicValue> Subscribable for TopicRef<T> {
    type Value = T;
    type Outcome = ();

    fn plan(self) -> Plan<T> {
        Plan {
            topic: self,
            start: Start::Now,
        }
    }

    fn outcome(_: Result<(), SinceError>) {}
}
