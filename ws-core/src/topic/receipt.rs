//! What a publish returns.

/// What has become of a publish; it may be dropped without a look.
///
/// It borrows nothing, so it can be kept and moved to another task. It is no number and no copy:
/// it may come to hold what is still to happen to the value.
///
/// ```
/// use ws_server::Hub;
/// use ws_server::topic::Topic;
///
/// let hub = Hub::default();
/// let news: Topic<String> = Topic::local("news");
/// let value = "nobody is subscribed".to_owned();
/// hub.publish(&news, &value);
/// assert_eq!(hub.publish(&news, &value).reached(), 0);
/// ```
#[derive(Debug)]
pub struct Receipt {
    reached: usize,
}

impl Receipt {
    #[inline]
    pub(crate) const fn new(reached: usize) -> Self {
        Self { reached }
    }

    /// How many clients and listening handlers of this process took the value. One that could not
    /// be encoded reached none.
    #[inline]
    pub const fn reached(&self) -> usize {
        self.reached
    }
}
