//! The arguments that identify a topic.

use std::ops::Deref;

use super::Topic;

/// Identifies a topic: a [`Topic`], or a type that dereferences to one, such as `&Topic<T>`,
/// `Arc<Topic<T>>` and a static `LazyLock<Topic<T>>`.
///
/// [`Hub::publish`](crate::hub::Hub::publish),
/// [`Socket::subscribe`](crate::socket::Socket::subscribe) and similar methods take it by value, so
/// that both a reference and a temporary work:
///
/// ```
/// use ws_server::topic::{AsTopic, Topic};
/// use ws_server::Hub;
///
/// fn announce(hub: &Hub, topic: impl AsTopic<Value = String>, text: &str) -> usize {
///     hub.publish(topic, &text.to_owned()).reached()
/// }
///
/// let news = Topic::local("news");
/// let hub = Hub::default();
/// assert_eq!(announce(&hub, &news, "by reference"), 0);
/// assert_eq!(announce(&hub, Topic::local("news"), "by value"), 0);
/// ```
///
/// Do not implement it for your own types: its methods are hidden and may change.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a topic",
    label = "not a topic",
    note = "`Topic::local(name)` creates a topic with a name"
)]
pub trait AsTopic {
    /// The type of the values published to the topic.
    type Value;

    #[doc(hidden)]
    fn as_topic(&self) -> &Topic<Self::Value>;
}

impl<T> AsTopic for Topic<T> {
    type Value = T;

    #[inline]
    fn as_topic(&self) -> &Self {
        self
    }
}

#[diagnostic::do_not_recommend]
impl<P> AsTopic for P
where
    P: Deref,
    P::Target: AsTopic,
{
    type Value = <P::Target as AsTopic>::Value;

    #[inline]
    fn as_topic(&self) -> &Topic<Self::Value> {
        (**self).as_topic()
    }
}
