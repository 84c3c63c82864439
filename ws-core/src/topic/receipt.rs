//! The return values of a publish.

use std::future::{Future, IntoFuture, Ready, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use http::StatusCode;
#[cfg(feature = "cluster")]
use tokio::sync::oneshot;

use super::position::Position;
use crate::close::{Close, CloseCode};
use crate::error::EncodeError;
use crate::log::{self, MAX_MESSAGE, Sealer, TopicName};
use crate::throttle::LogThrottle;

/// The result of a publish to a topic that is not logged; it may be ignored.
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
    /// The number of clients, listening handlers and pages of this process that accepted the value; 0 if
    /// it could not be encoded.
    #[inline]
    pub const fn reached(&self) -> usize {
        self.reached
    }
}

/// The result of a publish to a logged topic. It may be ignored, or awaited: then it is the
/// [`Position`] of the message, or the reason why it was not published.
///
/// An error that is not awaited is logged (at most one line every ten seconds) and counted: see
/// [`Hub::refused_publishes`](crate::hub::Hub::refused_publishes).
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
/// #     .block_on(async {
/// use ws_server::prelude::*;
/// use ws_server::topic::PublishError;
///
/// topics! {
///     pub News: "news" => String { history: 100, keep: 10m };
/// }
///
/// let hub = Hub::default();
/// assert_eq!(hub.publish(News, &"hello".to_owned()).reached(), 0);
/// let refused = hub.publish(News, &"x".repeat(2 << 20)).await;
/// assert_eq!(refused, Err(PublishError::TooLarge { len: 2_097_152 }));
/// # });
/// ```
#[derive(Debug)]
pub struct LoggedReceipt {
    reached: usize,
    topic: TopicName,
    context: Arc<LogContext>,
    result: ReceiptResult,
}

/// The result of a publish, as far as it is known.
#[derive(Debug)]
enum ReceiptResult {
    Done(Result<log::Position, Unreported>),
    #[cfg(feature = "cluster")]
    Pending(PendingPublish),
}

impl LoggedReceipt {
    /// The number of clients, listening handlers and pages of this process that accepted the value; 0
    /// if it was not published. On a log that several servers share, the message is delivered later:
    /// then this is the number of subscribers of this process at the time of the call.
    #[inline]
    pub const fn reached(&self) -> usize {
        self.reached
    }
}

impl IntoFuture for LoggedReceipt {
    type Output = Result<Position, PublishError>;
    type IntoFuture = Published;

    fn into_future(self) -> Published {
        let Self {
            topic,
            context,
            result,
            ..
        } = self;
        match result {
            ReceiptResult::Done(Ok(at)) => {
                Published::ready(Ok(Position::new(at, topic, context.sealer.clone())))
            }
            ReceiptResult::Done(Err(mut unreported)) => {
                unreported.is_awaited = true;
                Published::ready(Err(unreported.error.clone()))
            }
            #[cfg(feature = "cluster")]
            ReceiptResult::Pending(pending) => Published(PublishedState::Pending(pending)),
        }
    }
}

/// Waits until a message is in the log and this process has delivered it; made by awaiting a
/// [`LoggedReceipt`].
///
/// ```
/// use ws_server::topic::{LoggedReceipt, Published};
///
/// fn confirmation(receipt: LoggedReceipt) -> Published {
///     receipt.into_future()
/// }
/// ```
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Published(PublishedState);

#[derive(Debug)]
enum PublishedState {
    Ready(Ready<Result<Position, PublishError>>),
    #[cfg(feature = "cluster")]
    Pending(PendingPublish),
}

impl Published {
    fn ready(result: Result<Position, PublishError>) -> Self {
        Self(PublishedState::Ready(ready(result)))
    }
}

impl Future for Published {
    type Output = Result<Position, PublishError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            PublishedState::Ready(ready) => Pin::new(ready).poll(cx),
            #[cfg(feature = "cluster")]
            PublishedState::Pending(pending) => Pin::new(pending).poll(cx),
        }
    }
}

/// The result of a publish that is on its way to a shared log. A failure that is not awaited is
/// reported: here, or by the sender if this is gone.
#[cfg(feature = "cluster")]
#[derive(Debug)]
struct PendingPublish {
    outcome: oneshot::Receiver<Result<log::Position, PublishError>>,
    topic: TopicName,
    context: Arc<LogContext>,
}

#[cfg(feature = "cluster")]
impl Future for PendingPublish {
    type Output = Result<Position, PublishError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let outcome = std::task::ready!(Pin::new(&mut self.outcome).poll(cx));
        // Without an outcome the hub was dropped.
        let outcome = outcome.unwrap_or(Err(PublishError::Unconfirmed));
        let position = |at| Position::new(at, self.topic.clone(), self.context.sealer.clone());
        Poll::Ready(outcome.map(position))
    }
}

#[cfg(feature = "cluster")]
impl Drop for PendingPublish {
    fn drop(&mut self) {
        self.outcome.close();
        if let Ok(Err(error)) = self.outcome.try_recv() {
            self.context.report(&self.topic, &error);
        }
    }
}

/// An error that is logged when it is dropped, unless it was awaited.
#[derive(Debug)]
struct Unreported {
    error: PublishError,
    topic: TopicName,
    context: Arc<LogContext>,
    is_awaited: bool,
}

impl Drop for Unreported {
    fn drop(&mut self) {
        if !self.is_awaited {
            self.context.report(&self.topic, &self.error);
        }
    }
}

/// Why a value was not published.
///
/// ```
/// use ws_server::CloseCode;
/// use ws_server::topic::PublishError;
///
/// let error = PublishError::TooLarge { len: 2_000_000 };
/// assert_eq!(error.close_code(), CloseCode::TOO_BIG);
/// assert_eq!(
///     error.to_string(),
///     "the value has 2000000 bytes as a message; at most 1048576 can be published",
/// );
/// ```
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The message exceeds 1 MiB.
    #[error("the value has {len} bytes as a message; at most {MAX_MESSAGE} can be published")]
    TooLarge {
        /// Its bytes.
        len: usize,
    },
    /// The value cannot be encoded.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// The queue of a log that several servers share is full; the value was not sent.
    #[error("the queue of the log is full; the value was not sent")]
    Full,
    /// A log that several servers share could not be reached in time; the value was not sent, so it
    /// can be published again.
    #[error("the log could not be reached in time; the value was not sent")]
    Unavailable,
    /// The value was sent to a log that several servers share, which has not confirmed it in time, or
    /// was restarted or replaced before: the value may have been delivered, or may still be.
    #[error("the value was sent, but the log has not confirmed it in time")]
    Unconfirmed,
}

impl PublishError {
    /// The status of a refused request: 413 for a value that is too large, 500 for one that cannot
    /// be encoded, 504 for one that is not confirmed, else 503.
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Encode(error) => error.status(),
            Self::Full | Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Unconfirmed => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    /// The close code of a connection that cannot continue: 1009 for a value that is too large,
    /// 1011 for one that cannot be encoded, else 1013.
    pub const fn close_code(&self) -> CloseCode {
        match self {
            Self::TooLarge { .. } => CloseCode::TOO_BIG,
            Self::Encode(error) => error.close_code(),
            Self::Full | Self::Unavailable | Self::Unconfirmed => CloseCode::TRY_AGAIN_LATER,
        }
    }
}

impl From<PublishError> for Close {
    fn from(error: PublishError) -> Self {
        Self::new(error.close_code(), "the value cannot be published")
    }
}

/// What the receipts of a hub share.
#[derive(Debug)]
pub(crate) struct LogContext {
    pub(super) sealer: Arc<Sealer>,
    throttle: LogThrottle,
    refused: AtomicU64,
}

impl LogContext {
    pub(super) fn new(sealer: Sealer) -> Self {
        Self {
            sealer: Arc::new(sealer),
            throttle: LogThrottle::default(),
            refused: AtomicU64::new(0),
        }
    }

    /// The number of publishes that were refused and not awaited.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    pub(super) fn report(&self, topic: &TopicName, error: &PublishError) {
        self.refused.fetch_add(1, Ordering::Relaxed);
        if let Some(count) = self.throttle.count() {
            let topic = topic.as_str();
            tracing::error!(topic, %error, count, "values were not published");
        }
    }
}

/// The outcome of a publish, for either kind of receipt.
#[doc(hidden)]
#[derive(Debug)]
pub struct PublishOutcome {
    pub(super) reached: usize,
    pub(super) logged: Option<LoggedOutcome>,
}

/// The outcome of a publish to a logged topic.
#[derive(Debug)]
pub(super) struct LoggedOutcome {
    pub(super) topic: TopicName,
    pub(super) context: Arc<LogContext>,
    pub(super) result: LoggedResult,
}

/// The result of a publish to a logged topic.
#[derive(Debug)]
pub(super) enum LoggedResult {
    Done(Result<log::Position, PublishError>),
    #[cfg(feature = "cluster")]
    Pending(oneshot::Receiver<Result<log::Position, PublishError>>),
}

/// The result of a publish: [`Receipt`] or [`LoggedReceipt`].
///
/// ```
/// use ws_server::topic::{LoggedReceipt, Receipt, ReceiptKind};
///
/// fn is_receipt<R: ReceiptKind>() -> bool { true }
/// assert!(is_receipt::<Receipt>() && is_receipt::<LoggedReceipt>());
/// ```
pub trait ReceiptKind {
    #[doc(hidden)]
    fn of(outcome: PublishOutcome) -> Self;
}

impl ReceiptKind for Receipt {
    #[inline]
    fn of(outcome: PublishOutcome) -> Self {
        Self {
            reached: outcome.reached,
        }
    }
}

impl ReceiptKind for LoggedReceipt {
    fn of(outcome: PublishOutcome) -> Self {
        let PublishOutcome { reached, logged } = outcome;
        let LoggedOutcome {
            topic,
            context,
            result,
        } = logged.expect("the topic is logged");
        let unreported = |error| Unreported {
            error,
            topic: topic.clone(),
            context: context.clone(),
            is_awaited: false,
        };
        let result = match result {
            LoggedResult::Done(result) => ReceiptResult::Done(result.map_err(unreported)),
            #[cfg(feature = "cluster")]
            LoggedResult::Pending(outcome) => ReceiptResult::Pending(PendingPublish {
                outcome,
                topic: topic.clone(),
                context: context.clone(),
            }),
        };
        Self {
            reached,
            topic,
            context,
            result,
        }
    }
}
