//! The measurements, and the table that is printed.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::time::sleep;

use crate::{Host, Result};

/// How long each case of a round is measured.
const WINDOW: Duration = Duration::from_secs(1);

/// If no operation ends for this long, none is in progress.
const QUIET: Duration = Duration::from_millis(100);

/// A thread of this process.
#[derive(Clone)]
pub(crate) struct Thread(PathBuf);

impl Thread {
    /// The current thread.
    pub(crate) fn this() -> Result<Self> {
        let name = fs::read_link("/proc/thread-self")?;
        Ok(Self(PathBuf::from("/proc").join(name)))
    }

    /// The time that it has run, and the time that it has waited for a core.
    fn times(&self) -> Result<[Duration; 2]> {
        let text = fs::read_to_string(self.0.join("schedstat"))?;
        let mut numbers = text.split_whitespace();
        let mut next = || -> Result<Duration> {
            let number = numbers.next().ok_or("a number is missing")?;
            Ok(Duration::from_nanos(number.parse()?))
        };
        Ok([next()?, next()?])
    }
}

/// The latencies of the current window. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct Latencies {
    open: Arc<AtomicBool>,
    all: Arc<Mutex<Vec<Duration>>>,
}

impl Latencies {
    fn lock(&self) -> MutexGuard<'_, Vec<Duration>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether an operation that starts now is measured.
    pub(crate) fn is_open(&self) -> bool {
        self.open.load(Ordering::Relaxed)
    }

    pub(crate) fn record(&self, latency: Duration) {
        self.lock().push(latency);
    }

    /// The sorted latencies of all operations that began in the window, as soon as they have ended.
    async fn take(&self) -> Vec<Duration> {
        let mut count = 0;
        loop {
            sleep(QUIET).await;
            let mut all = self.lock();
            if all.len() == count {
                all.sort_unstable();
                return std::mem::take(&mut all);
            }
            count = all.len();
        }
    }
}

/// One case in one round.
struct Round {
    p50: f64,
    p99: f64,
    /// Messages of the publisher, or of the flood, per second.
    rate: f64,
    /// The parts of the time that the server's thread ran and waited for a core.
    server: [f64; 2],
    /// The same for the clients' thread.
    clients: [f64; 2],
}

/// One case of a scenario: a line of the table.
pub(crate) struct Case {
    name: &'static str,
    rounds: Vec<Round>,
}

impl Case {
    pub(crate) const fn new(name: &'static str) -> Self {
        let rounds = Vec::new();
        Self { name, rounds }
    }

    /// Measures one more round. `done` counts the messages of the publisher, or of the flood.
    pub(crate) async fn measure(
        &mut self,
        host: &Host,
        latencies: &Latencies,
        done: &AtomicU64,
    ) -> Result<()> {
        let clients = Thread::this()?;
        let before = [host.thread.times()?, clients.times()?];
        let done_before = done.load(Ordering::Relaxed);
        let began = Instant::now();
        latencies.open.store(true, Ordering::Relaxed);
        sleep(WINDOW).await;
        latencies.open.store(false, Ordering::Relaxed);
        let time = began.elapsed();
        let after = [host.thread.times()?, clients.times()?];
        let done = u32::try_from(done.load(Ordering::Relaxed) - done_before)?;
        let share = |thread: usize, kind: usize| {
            let spent = after[thread][kind].saturating_sub(before[thread][kind]);
            spent.div_duration_f64(time)
        };
        let all = latencies.take().await;
        self.rounds.push(Round {
            p50: percentile(&all, 50)?,
            p99: percentile(&all, 99)?,
            rate: f64::from(done) / time.as_secs_f64(),
            server: [share(0, 0), share(0, 1)],
            clients: [share(1, 0), share(1, 1)],
        });
        Ok(())
    }

    /// The line of this case in the table.
    fn line(&self, first: &Self) -> String {
        let times = [
            self.median(|round| round.p50),
            self.median(|round| round.p99),
        ];
        let p50 = median(self.ratios(first, |round| round.p50));
        let p99 = self.ratios(first, |round| round.p99);
        let range = match (p99.first(), p99.last()) {
            (Some(min), Some(max)) => format!("{min:.2}..{max:.2}"),
            _ => String::new(),
        };
        let rate = self.median(|round| round.rate);
        let server = [0, 1].map(|kind| 100.0 * self.median(|round| round.server[kind]));
        let clients = [0, 1].map(|kind| 100.0 * self.median(|round| round.clients[kind]));
        format!(
            "{:<24}{:>9.0}{p50:>7.2}{:>10.0}{:>7.2}{range:>15} |{rate:>10.0} \
             |{:>5.0}%{:>6.0}% |{:>5.0}%{:>6.0}%",
            self.name,
            times[0],
            times[1],
            median(p99),
            server[0],
            server[1],
            clients[0],
            clients[1],
        )
    }

    /// The median over the rounds.
    fn median(&self, of: impl Fn(&Round) -> f64) -> f64 {
        median(self.rounds.iter().map(of).collect())
    }

    /// The ratios to the first case of each round, in ascending order.
    fn ratios(&self, first: &Self, of: impl Fn(&Round) -> f64) -> Vec<f64> {
        let pairs = self.rounds.iter().zip(&first.rounds);
        let mut ratios: Vec<f64> = pairs
            .map(|(with, without)| of(with) / of(without))
            .collect();
        ratios.sort_unstable_by(f64::total_cmp);
        ratios
    }
}

/// Returns microseconds.
fn percentile(sorted: &[Duration], percent: usize) -> Result<f64> {
    let place = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    let latency = sorted
        .get(place)
        .ok_or("no operation ended in a whole second: the machine or the server is too slow")?;
    Ok(latency.as_secs_f64() * 1e6)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let half = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        even if even.is_multiple_of(2) => f64::midpoint(values[half - 1], values[half]),
        _ => values[half],
    }
}

/// Prints the cases, each compared with the first.
pub(crate) fn print(title: &str, rate: &str, cases: &[Case]) {
    let Some(first) = cases.first() else {
        return;
    };
    println!("\n{title}; median of {} rounds", first.rounds.len());
    println!(
        "{:<24}{:>9}{:>7}{:>10}{:>7}{:>15} |{:>10} |{:>13} |{:>13}",
        "", "p50 us", "ratio", "p99 us", "ratio", "min..max", rate, "server", "clients"
    );
    println!(
        "{:<24}{:>9}{:>7}{:>10}{:>7}{:>15} |{:>10} |{:>6}{:>7} |{:>6}{:>7}",
        "", "", "", "", "", "", "a second", "runs", "waits", "runs", "waits"
    );
    for case in cases {
        println!("{}", case.line(first));
    }
}
