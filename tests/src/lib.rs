//! Shared code of the tests in `tests/`.

#![forbid(unsafe_code)]

mod captured;
mod example;
mod files;
#[cfg(doctest)]
mod guide;
mod part;
mod redis;

use std::fmt::Debug;
use std::future::Future;
use std::time::Duration;

pub use captured::{Captured, End};
pub use example::{Example, program};
pub use files::files;
pub use part::Part;
pub use redis::RedisServer;

/// The deadline of each wait. It only passes if the event never happens.
const DEADLINE: Duration = Duration::from_secs(20);

/// Waits for an event.
///
/// # Panics
///
/// If the event does not happen in time.
pub async fn within<T>(what: impl Debug, event: impl Future<Output = T>) -> T {
    let waited = tokio::time::timeout(DEADLINE, event).await;
    waited.unwrap_or_else(|_| panic!("{what:?} did not happen within {DEADLINE:?}"))
}
