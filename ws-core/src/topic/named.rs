//! The arguments that identify a topic.

use std::ops::Deref;

use super::Topic;
use super::key::TopicRef;
use super::receipt::ReceiptKind;

/// Identifies a topic: a key declared with `topics!`, a [`Topic`], or a type that dereferences to
/// one, such as a reference, an `Arc` and a static `LazyLock`.
///
/// [`Hub::publish`](crate::hub::Hub::publish),
/// [`Socket::subscribe`](crate::socket::Socket::subscribe) and similar methods take it by value, so
/// that both a reference and a temporary work:
///
/// ```
/// use ws_server::topic::{AsTopic, Topic};
/// use ws_server::Hub;
///
/// fn subscribers(hub: &Hub, topic: impl AsTopic<Value = String>) -> usize {
///     hub.subscriber_count(topic)
/// }
///
/// let news: Topic<String> = Topic::local("news");
/// let hub = Hub::default();
/// assert_eq!(subscribers(&hub, &news), 0);
/// assert_eq!(subscribers(&hub, Topic::local("news")), 0);
/// ```
///
/// Do not implement it for your own types: its methods are hidden and may change.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a topic",
    label = "not a topic",
    note = "declare topics with `topics!`, or create one with `Topic::local(name)`"
)]
pub trait AsTopic {
    /// The type of the values published to the topic.
    type Value;

    /// The result of a publish: [`Receipt`](super::Receipt), or
    /// [`LoggedReceipt`](super::LoggedReceipt) if its messages are logged.
    type Receipt: ReceiptKind;

    #[doc(hidden)]
    fn as_topic_ref(&self) -> TopicRef<Self::Value>;
}

impl<T: 'static> AsTopic for Topic<T> {
    type Value = T;
    type Receipt = super::Receipt;

    #[inline]
    fn as_topic_ref(&self) -> TopicRef<T> {
        TopicRef::local(self.name.clone())
    }
}

#[diagnostic::do_not_recommend]
impl<P> AsTopic for P
where
    P: Deref,
    P::Target: AsTopic,
{
    type Value = <P::Target as AsTopic>::Value;
    type Receipt = <P::Target as AsTopic>::Receipt;

    #[inline]
    fn as_topic_ref(&self) -> TopicRef<Self::Value> {
        (**self).as_topic_ref()
    }
}
