//! Captures the log lines of a test's thread.

use std::cell::RefCell;
use std::io;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use tracing::Level;

/// Everything that this thread has logged. A test's runtime has one thread.
#[derive(Clone, Debug, Default)]
pub struct Captured(Arc<Mutex<Vec<u8>>>);

thread_local! {
    static CURRENT: RefCell<Option<Captured>> = const { RefCell::new(None) };
}

/// Dropping it ends the capture.
#[derive(Debug)]
pub struct End;

impl Drop for End {
    fn drop(&mut self) {
        CURRENT.take();
    }
}

/// One subscriber serves all threads for good: tracing caches the interest in each callsite for all
/// threads, so a second subscriber would change it under tests that run in parallel.
static SUBSCRIBER: LazyLock<()> = LazyLock::new(|| {
    tracing_subscriber::fmt()
        .with_max_level(Level::TRACE)
        .with_ansi(false)
        .without_time()
        .with_target(false)
        .with_writer(|| CURRENT.with_borrow(|current| current.clone().unwrap_or_default()))
        .init();
});

impl Captured {
    /// Starts to capture the log lines of this thread.
    pub fn begin() -> (Self, End) {
        LazyLock::force(&SUBSCRIBER);
        let captured = Self::default();
        CURRENT.set(Some(captured.clone()));
        (captured, End)
    }

    /// Returns everything captured so far.
    ///
    /// # Panics
    ///
    /// If the captured bytes are not UTF-8.
    pub fn text(&self) -> String {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8(bytes.clone()).expect("logs are text")
    }

    /// Returns the only line of this level.
    ///
    /// # Panics
    ///
    /// If there is none, or more than one.
    pub fn only(&self, level: Level) -> String {
        let lines = self.of(level);
        let [line] = &lines[..] else {
            panic!("{lines:?}");
        };
        line.clone()
    }

    /// Returns the lines of this level.
    pub fn of(&self, level: Level) -> Vec<String> {
        let text = self.text();
        let lines = text.lines().map(str::trim_start);
        let level = level.to_string();
        let lines = lines.filter_map(|line| line.strip_prefix(&level));
        lines.map(|line| line.trim_start().to_owned()).collect()
    }
}

impl io::Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
