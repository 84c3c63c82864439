//! What tests of the whole share; the tests are in `tests/`.

#![forbid(unsafe_code)]

mod captured;
mod example;
#[cfg(doctest)]
mod guide;

use std::fmt::Debug;
use std::future::Future;
use std::time::Duration;

pub use captured::{Captured, End};
pub use example::{Example, program};

/// No wait of the tests takes so long, unless what it waits for never comes.
const PATIENCE: Duration = Duration::from_secs(20);

/// Waits for an event.
///
/// # Panics
///
/// Where it does not come.
pub async fn within<T>(what: impl Debug, event: impl Future<Output = T>) -> T {
    let waited = tokio::time::timeout(PATIENCE, event).await;
    waited.unwrap_or_else(|_| panic!("waited in vain: {what:?}"))
}
