//! Measurements in the text format of Prometheus.

use std::fmt::{Display, Write as _};

use ws_core::stats::{Histogram, Stats};

use crate::measurements::{self, Kind, Labels, Sink};

/// The type of the text.
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The text of all measurements.
pub(crate) fn render(stats: &Stats) -> String {
    let mut text = Text::default();
    measurements::visit(stats, &mut text);
    text.written
}

/// The text as far as it is written. Writing to a `String` cannot fail.
#[derive(Default)]
struct Text {
    written: String,
    /// The name of the values that follow.
    name: &'static str,
}

impl Sink for Text {
    fn head(&mut self, name: &'static str, kind: Kind, help: &'static str) {
        let kind = match kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        };
        self.name = name;
        let _ = writeln!(self.written, "# HELP {name} {help}");
        let _ = writeln!(self.written, "# TYPE {name} {kind}");
    }

    fn value(&mut self, labels: Labels<'_>, value: u64) {
        self.line("", labels, None, value);
    }

    fn histogram(&mut self, labels: Labels<'_>, histogram: &Histogram) {
        for (bound, count) in &histogram.buckets {
            let bound = if bound.is_infinite() {
                "+Inf".to_owned()
            } else {
                bound.to_string()
            };
            self.line("_bucket", labels, Some(&bound), count);
        }
        self.line("_sum", labels, None, histogram.sum);
        self.line("_count", labels, None, histogram.count);
    }
}

impl Text {
    fn line(&mut self, suffix: &str, labels: Labels<'_>, bound: Option<&str>, value: impl Display) {
        let _ = write!(self.written, "{}{suffix}", self.name);
        let bound = bound.map(|bound| ("le", bound));
        for (index, (label, value)) in labels.iter().copied().chain(bound).enumerate() {
            let separator = if index == 0 { '{' } else { ',' };
            let _ = write!(self.written, "{separator}{label}=\"{}\"", escape(value));
        }
        if !labels.is_empty() || bound.is_some() {
            self.written.push('}');
        }
        let _ = writeln!(self.written, " {value}");
    }
}

/// Escapes the value of a label.
fn escape(value: &str) -> String {
    let mut escaped = String::with_capacity(value.len());
    for character in value.chars() {
        match character {
            '\\' => escaped.push_str("\\\\"),
            '"' => escaped.push_str("\\\""),
            '\n' => escaped.push_str("\\n"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_labels_and_escaped_values() {
        let mut text = Text::default();
        text.head("topics", Kind::Gauge, "Topics.");
        text.value(&[], 7);
        text.value(&[("route", "/a\"\\\n/{id: u64}"), ("why", "x")], 1);
        let expected = "# HELP topics Topics.\n# TYPE topics gauge\ntopics 7\n\
                        topics{route=\"/a\\\"\\\\\\n/{id: u64}\",why=\"x\"} 1\n";
        assert_eq!(text.written, expected);
    }
}
