//! The thread of the watchdog: one per process, once a server with several workers has had a request.

use std::sync::Once;
use std::thread;

use tokio::runtime::{Handle, RuntimeFlavor};
use ws_core::watch::Watch;

/// Starts the watchdog, unless it runs already.
///
/// A runtime of one thread has no other worker that could be woken, and a process of one thread
/// does without atomic instructions and cancellation points of the C library: it stays one.
pub(crate) fn start() {
    static STARTED: Once = Once::new();
    if STARTED.is_completed() {
        return;
    }
    let runtime = Handle::try_current().map(|runtime| runtime.runtime_flavor());
    if !matches!(runtime, Ok(RuntimeFlavor::MultiThread)) {
        return;
    }
    STARTED.call_once(|| {
        let thread = thread::Builder::new().name("ws-watchdog".to_owned());
        // A process without a thread to spare serves as well.
        if let Err(error) = thread.spawn(|| Watch::default().run()) {
            tracing::debug!(%error, "no watchdog: a hook that blocks holds up its runtime");
        }
    });
}
