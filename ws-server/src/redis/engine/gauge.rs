//! What an engine has noticed of one server.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use ws_core::log::shared::{EngineMemory, EngineState};

/// An answer that takes longer is slow.
const SLOW: Duration = Duration::from_millis(250);

/// How long the time of an answer counts.
const RECENT: Duration = Duration::from_secs(10);

/// The answers to appends, and the memory.
#[derive(Default)]
pub(super) struct Gauge(Mutex<Readings>);

#[derive(Default)]
struct Readings {
    /// Appends without an answer.
    waiting: usize,
    /// Since when none of them was answered.
    since: Option<Instant>,
    /// When the last answer came, and how long it took.
    last: Option<(Instant, Duration)>,
    is_full: bool,
    memory: Option<EngineMemory>,
}

/// An append that waits for its answer.
pub(super) struct Waiting<'g> {
    gauge: &'g Gauge,
    begin: Instant,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let now = Instant::now();
        let mut readings = self.gauge.lock();
        readings.waiting -= 1;
        readings.since = (readings.waiting > 0).then_some(now);
        readings.last = Some((now, now - self.begin));
    }
}

impl Gauge {
    fn lock(&self) -> MutexGuard<'_, Readings> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An append is sent. Its answer has come when the value is dropped.
    pub(super) fn wait(&self) -> Waiting<'_> {
        let begin = Instant::now();
        let mut readings = self.lock();
        readings.waiting += 1;
        readings.since.get_or_insert(begin);
        Waiting { gauge: self, begin }
    }

    /// An append was refused because the memory is full, or accepted.
    pub(super) fn set_full(&self, is_full: bool) {
        self.lock().is_full = is_full;
    }

    pub(super) fn set_memory(&self, memory: EngineMemory) {
        self.lock().memory = Some(memory);
    }

    pub(super) fn memory(&self) -> Option<EngineMemory> {
        self.lock().memory
    }

    /// The state of a server with a connection.
    pub(super) fn state(&self) -> EngineState {
        let readings = self.lock();
        if readings.is_full {
            return EngineState::Full;
        }
        let waits = readings.since.map(|since| since.elapsed());
        let last = readings.last.filter(|(at, _)| at.elapsed() < RECENT);
        let answer = waits.max(last.map(|(_, took)| took));
        match answer {
            Some(answer) if answer >= SLOW => EngineState::Slow { answer },
            _ => EngineState::Up,
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_late_answer_is_slow_before_and_after_it_comes() {
        let gauge = Gauge::default();
        assert_eq!(gauge.state(), EngineState::Up);
        let (first, second) = (gauge.wait(), gauge.wait());
        advance(SLOW / 2).await;
        assert_eq!(gauge.state(), EngineState::Up);
        drop(first);
        advance(SLOW).await;
        assert_eq!(gauge.state(), EngineState::Slow { answer: SLOW });
        drop(second);
        let answer = SLOW * 3 / 2;
        assert_eq!(gauge.state(), EngineState::Slow { answer });
        advance(RECENT).await;
        assert_eq!(gauge.state(), EngineState::Up);
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_server_is_full_until_it_accepts_an_entry() {
        let gauge = Gauge::default();
        gauge.set_full(true);
        assert_eq!(gauge.state(), EngineState::Full);
        gauge.set_full(false);
        assert_eq!(gauge.state(), EngineState::Up);
    }
}
