//! The return value of a publish.

/// The result of a publish; it may be ignored.
///
/// It borrows nothing, so it can be stored and moved to another task. It is neither `Copy` nor a
/// plain number, so that it can later represent deliveries that are still pending.
///
/// ```
/// use ws_server::Hub;
/// use ws_server::topic::Topic;
///
/// let hub = Hub::default();
/// let news: Topic<String> = Topic::local("news");
/// let value = "no subscribers yet".to_owned();
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

    /// The number of clients and listening handlers of this process that accepted the value; 0 if
    /// it could not be encoded.
    #[inline]
    pub const fn reached(&self) -> usize {
        self.reached
    }
}
