//! The thread of the watchdog: one per process, started by the first request of a server with
//! several workers.

use std::sync::Once;
use std::thread;

use tokio::runtime::{Handle, RuntimeFlavor};
use ws_core::watchdog::Watchdog;

/// Starts the watchdog, unless it is already running.
///
/// A runtime of one thread has no other worker that could be woken. Also, the C library avoids
/// atomic instructions and cancellation points in a process of one thread, so such a process must
/// not get a second thread.
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
        // A process that cannot start another thread still serves.
        if let Err(error) = thread.spawn(|| Watchdog::default().run()) {
            tracing::debug!(%error, "no watchdog: a hook that blocks holds up its runtime");
        }
    });
}
