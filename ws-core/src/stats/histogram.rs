//! Distributions of durations.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The distribution of durations, in seconds.
///
/// ```
/// use ws_server::stats::Stats;
///
/// /// The mean duration of all hooks, as far as they were measured.
/// fn mean(stats: &Stats) -> f64 {
///     let hooks = stats.routes.iter().flat_map(|route| &route.hooks);
///     let (sum, count) = hooks.fold((0.0, 0), |(sum, count), hook| {
///         (sum + hook.duration.sum, count + hook.duration.count)
///     });
///     sum / f64::from(u32::try_from(count).unwrap_or(u32::MAX).max(1))
/// }
/// # assert_eq!(mean(&ws_server::Hub::default().stats()), 0.0);
/// ```
#[derive(Clone, PartialEq, Debug, Default)]
#[non_exhaustive]
pub struct Histogram {
    /// The upper bounds in seconds, ascending, each with the number of durations up to it. The last
    /// bound is infinite.
    pub buckets: Vec<(f64, u64)>,
    /// The sum of all durations in seconds.
    pub sum: f64,
    /// The number of durations.
    pub count: u64,
}

/// A distribution that many threads add to.
#[derive(Debug)]
pub(crate) struct HistogramCounters {
    /// The upper bounds of all buckets but the last.
    bounds: &'static [Duration],
    counts: Box<[AtomicU64]>,
    /// The bits of an `f64`, in seconds.
    sum: AtomicU64,
}

impl HistogramCounters {
    pub(super) fn new(bounds: &'static [Duration]) -> Self {
        Self {
            bounds,
            counts: (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect(),
            sum: AtomicU64::new(0.0_f64.to_bits()),
        }
    }

    /// Adds a duration that counts as `weight` durations.
    pub(super) fn add(&self, duration: Duration, weight: u32) {
        let bucket = self.bounds.partition_point(|bound| *bound < duration);
        self.counts[bucket].fetch_add(weight.into(), Ordering::Relaxed);
        let added = duration.as_secs_f64() * f64::from(weight);
        let add = |sum| Some((f64::from_bits(sum) + added).to_bits());
        let _ = self
            .sum
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }

    pub(super) fn snapshot(&self) -> Histogram {
        let mut count = 0;
        let bounds = self.bounds.iter().map(Duration::as_secs_f64);
        let bounds = bounds.chain([f64::INFINITY]);
        let buckets = bounds.zip(&self.counts).map(|(bound, added)| {
            count += added.load(Ordering::Relaxed);
            (bound, count)
        });
        Histogram {
            buckets: buckets.collect(),
            sum: f64::from_bits(self.sum.load(Ordering::Relaxed)),
            count,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_counts_in_the_buckets_that_contain_it() {
        const BOUNDS: &[Duration] = &[Duration::from_millis(1), Duration::from_secs(1)];
        let counters = HistogramCounters::new(BOUNDS);
        counters.add(Duration::from_millis(1), 1);
        counters.add(Duration::from_millis(500), 64);
        counters.add(Duration::from_secs(2), 1);
        let histogram = counters.snapshot();
        assert_eq!(
            histogram.buckets,
            [(0.001, 1), (1.0, 65), (f64::INFINITY, 66)]
        );
        assert_eq!(histogram.count, 66);
        assert!((histogram.sum - 34.001).abs() < 1e-9, "{}", histogram.sum);
    }
}
