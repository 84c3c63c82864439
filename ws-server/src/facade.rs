//! Measurements for the `metrics` facade.

use metrics::{Label, counter, gauge};
use ws_core::stats::{Histogram, Stats};

use crate::measurements::{self, Kind, Labels, Sink};

/// Passes all measurements to the recorder of the `metrics` facade, under the same names and labels
/// as for Prometheus. Call it every few seconds, or before a scrape.
///
/// The facade cannot take over a distribution. So of each histogram it gets the counter `…_count`,
/// and `…_sum` as a gauge: their rates give the mean.
///
/// ```no_run
/// # async fn report(ws: ws_server::Ws) {
/// use std::time::Duration;
///
/// let mut interval = tokio::time::interval(Duration::from_secs(10));
/// loop {
///     interval.tick().await;
///     ws_server::stats::record(&ws.hub().stats());
/// }
/// # }
/// ```
#[cfg_attr(docsrs, doc(cfg(feature = "metrics")))]
pub fn record(stats: &Stats) {
    measurements::visit(stats, &mut Facade::default());
}

#[derive(Default)]
struct Facade {
    name: &'static str,
    kind: Option<Kind>,
}

fn owned(labels: Labels<'_>) -> Vec<Label> {
    let labels = labels.iter();
    labels
        .map(|(name, value)| Label::new(*name, (*value).to_owned()))
        .collect()
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
const fn float(value: u64) -> f64 {
    value as f64
}

impl Sink for Facade {
    fn head(&mut self, name: &'static str, kind: Kind, _: &'static str) {
        (self.name, self.kind) = (name, Some(kind));
    }

    fn value(&mut self, labels: Labels<'_>, value: u64) {
        let (name, labels) = (self.name, owned(labels));
        match self.kind {
            Some(Kind::Counter) => counter!(name, labels).absolute(value),
            _ => gauge!(name, labels).set(float(value)),
        }
    }

    fn histogram(&mut self, labels: Labels<'_>, histogram: &Histogram) {
        let labels = owned(labels);
        counter!(format!("{}_count", self.name), labels.clone()).absolute(histogram.count);
        gauge!(format!("{}_sum", self.name), labels).set(histogram.sum);
    }
}
