//! What a test's thread logs.

use std::cell::RefCell;
use std::io;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use tracing::Level;

/// Everything that this thread logs. A test's runtime has one thread.
#[derive(Clone, Debug, Default)]
pub struct Captured(Arc<Mutex<Vec<u8>>>);

thread_local! {
    static CURRENT: RefCell<Option<Captured>> = const { RefCell::new(None) };
}

/// Ends the capture where it is dropped.
#[derive(Debug)]
pub struct End;

impl Drop for End {
    fn drop(&mut self) {
        CURRENT.take();
    }
}

/// One subscriber serves all threads, for good: what tracing remembers of each place that
/// logs is shared by all threads, and would change under a test that runs beside another.
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
    /// Captures what this thread logs from now on.
    pub fn begin() -> (Self, End) {
        LazyLock::force(&SUBSCRIBER);
        let captured = Self::default();
        CURRENT.set(Some(captured.clone()));
        (captured, End)
    }

    /// Everything so far.
    ///
    /// # Panics
    ///
    /// Where it is no text.
    pub fn text(&self) -> String {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8(bytes.clone()).expect("logs are text")
    }

    /// The only line of this level.
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

    /// The lines of this level.
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
