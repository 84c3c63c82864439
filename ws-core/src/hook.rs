//! Which hook runs on this thread, so that logs can name it.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::pin;

thread_local! {
    static NAME: Cell<&'static str> = const { Cell::new("none") };
}

/// Puts the earlier name back, also where the hook panics.
struct Restore(&'static str);

impl Drop for Restore {
    fn drop(&mut self) {
        NAME.set(self.0);
    }
}

/// The hook that runs on this thread.
pub(crate) fn name() -> &'static str {
    NAME.get()
}

/// Runs a part of the hook of this name.
pub(crate) fn run<T>(name: &'static str, part: impl FnOnce() -> T) -> T {
    let _restore = Restore(NAME.replace(name));
    part()
}

/// Runs a future as the hook of this name.
pub(crate) async fn run_async<T>(name: &'static str, hook: impl Future<Output = T>) -> T {
    let mut hook = pin!(hook);
    poll_fn(|cx| run(name, || hook.as_mut().poll(cx))).await
}
