//! Measurements in the text format of Prometheus.

use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};

use ws_core::stats::{Histogram, RouteStats, Stats};

/// The type of the text.
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The prefix of all names.
const PREFIX: &str = "websocket_server_";

/// The type of a metric.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// Labels and their values.
type Labels<'l> = &'l [(&'static str, &'l str)];

/// The text of all measurements.
///
/// Values of labels come from the program, not from clients: patterns of routes, status codes, and
/// fixed words.
pub(crate) fn render(stats: &Stats) -> String {
    let mut text = Text::default();
    connections(&mut text, stats);
    messages(&mut text, stats);
    hooks(&mut text, stats);
    outboxes(&mut text, stats);
    topics_and_pages(&mut text, stats);
    refusals(&mut text, stats);
    text.0
}

fn connections(text: &mut Text, stats: &Stats) {
    text.head("connections", Kind::Gauge, "Open connections.");
    for route in &stats.routes {
        text.sample("connections", &[("route", &route.route)], route.connections);
    }
    text.head(
        "handshakes_total",
        Kind::Counter,
        "Responses to handshakes.",
    );
    let handshakes = |text: &mut Text, route: &str, statuses: &BTreeMap<u16, u64>| {
        for (status, count) in statuses {
            let status = status.to_string();
            let labels = [("route", route), ("status", &*status)];
            text.sample("handshakes_total", &labels, *count);
        }
    };
    for route in &stats.routes {
        handshakes(text, &route.route, &route.handshakes);
    }
    handshakes(text, "(none)", &stats.unrouted);
    let name = "connection_duration_seconds";
    let help = "How long ended connections were open.";
    text.head(name, Kind::Histogram, help);
    for route in &stats.routes {
        for closed in &route.closed {
            let code = closed
                .code
                .map_or("other".to_owned(), |code| code.to_string());
            let labels = [
                ("route", &*route.route),
                ("cause", closed.cause),
                ("code", &code),
            ];
            text.histogram(name, &labels, &closed.duration);
        }
    }
}

fn messages(text: &mut Text, stats: &Stats) {
    let name = "messages_total";
    text.head(
        name,
        Kind::Counter,
        "Messages from clients (in) and to clients (out).",
    );
    for route in &stats.routes {
        for (direction, count) in [("in", route.received), ("out", route.sent)] {
            for (kind, count) in [("text", count.text), ("binary", count.binary)] {
                let labels = [
                    ("route", &*route.route),
                    ("direction", direction),
                    ("kind", kind),
                ];
                text.sample(name, &labels, count);
            }
        }
    }
    let name = "io_bytes_total";
    text.head(
        name,
        Kind::Counter,
        "Bytes read from clients (in) and written to clients (out).",
    );
    for route in &stats.routes {
        for (direction, bytes) in [("in", route.bytes_received), ("out", route.bytes_sent)] {
            let labels = [("route", &*route.route), ("direction", direction)];
            text.sample(name, &labels, bytes);
        }
    }
}

fn hooks(text: &mut Text, stats: &Stats) {
    let name = "hook_duration_seconds";
    let help = "Calls of hooks until they end. Those that do not wait are sampled.";
    text.head(name, Kind::Histogram, help);
    for route in &stats.routes {
        for hook in &route.hooks {
            let labels = [
                ("route", &*route.route),
                ("hook", hook.hook),
                ("outcome", hook.outcome),
            ];
            text.histogram(name, &labels, &hook.duration);
        }
    }
    let name = "mailbox_full_total";
    text.head(
        name,
        Kind::Counter,
        "Notifications that found the mailbox of a handler full.",
    );
    for route in &stats.routes {
        text.sample(name, &[("route", &route.route)], route.mailbox_full);
    }
}

fn outboxes(text: &mut Text, stats: &Stats) {
    text.head("outbox_bytes", Kind::Gauge, "Bytes that wait for clients.");
    for route in &stats.routes {
        text.sample(
            "outbox_bytes",
            &[("route", &route.route)],
            route.outbox_bytes,
        );
    }
    let name = "outbox_dropped_total";
    text.head(
        name,
        Kind::Counter,
        "Messages of topics that slow clients did not get.",
    );
    for RouteStats {
        route,
        outbox_dropped,
        ..
    } in &stats.routes
    {
        let drops = [
            ("drop_oldest", outbox_dropped.drop_oldest),
            ("drop_newest", outbox_dropped.drop_newest),
            ("latest", outbox_dropped.latest),
            ("volatile", outbox_dropped.volatile),
        ];
        for (policy, count) in drops {
            text.sample(name, &[("route", route), ("policy", policy)], count);
        }
    }
}

fn topics_and_pages(text: &mut Text, stats: &Stats) {
    let topics = stats.topics;
    text.head(
        "published_total",
        Kind::Counter,
        "Messages published to topics.",
    );
    text.sample("published_total", &[], topics.published);
    let name = "deliveries_total";
    text.head(
        name,
        Kind::Counter,
        "Subscribers that accepted a published message.",
    );
    text.sample(name, &[], topics.deliveries);
    text.head("topics", Kind::Gauge, "Topics with subscribers.");
    text.sample("topics", &[], topics.topics);
    text.head("sessions", Kind::Gauge, "Sessions that this process uses.");
    text.sample("sessions", &[], stats.sessions);
    let pages = stats.pages;
    text.head(
        "pages",
        Kind::Gauge,
        "Pages with a connection, and pages that wait for one.",
    );
    for (state, count) in [("connected", pages.connected), ("waiting", pages.waiting)] {
        text.sample("pages", &[("state", state)], count);
    }
    let name = "page_resets_total";
    text.head(name, Kind::Counter, "Resets of pages that miss messages.");
    let resets = [
        ("restart", pages.resets_restart),
        ("history", pages.resets_history),
        ("overflow", pages.resets_overflow),
    ];
    for (why, count) in resets {
        text.sample(name, &[("why", why)], count);
    }
}

fn refusals(text: &mut Text, stats: &Stats) {
    let name = "refused_total";
    text.head(
        name,
        Kind::Counter,
        "Clients refused because of a limit or an origin.",
    );
    for (reason, count) in &stats.refused {
        text.sample(name, &[("reason", reason.as_str())], *count);
    }
    let name = "logs_throttled_total";
    text.head(name, Kind::Counter, "Suppressed log lines of this process.");
    text.sample(name, &[], stats.logs_throttled);
}

/// The text as far as it is written. Writing to a `String` cannot fail.
#[derive(Default)]
struct Text(String);

impl Text {
    fn head(&mut self, name: &str, kind: Kind, help: &str) {
        let kind = kind.name();
        let _ = writeln!(self.0, "# HELP {PREFIX}{name} {help}");
        let _ = writeln!(self.0, "# TYPE {PREFIX}{name} {kind}");
    }

    fn sample(&mut self, name: &str, labels: Labels<'_>, value: impl Display) {
        self.line(name, labels, None, value);
    }

    fn histogram(&mut self, name: &str, labels: Labels<'_>, histogram: &Histogram) {
        for (bound, count) in &histogram.buckets {
            let bound = if bound.is_infinite() {
                "+Inf".to_owned()
            } else {
                bound.to_string()
            };
            self.line(&format!("{name}_bucket"), labels, Some(&bound), count);
        }
        self.line(&format!("{name}_sum"), labels, None, histogram.sum);
        self.line(&format!("{name}_count"), labels, None, histogram.count);
    }

    fn line(&mut self, name: &str, labels: Labels<'_>, bound: Option<&str>, value: impl Display) {
        let _ = write!(self.0, "{PREFIX}{name}");
        let bound = bound.map(|bound| ("le", bound));
        for (index, (label, value)) in labels.iter().copied().chain(bound).enumerate() {
            let separator = if index == 0 { '{' } else { ',' };
            let _ = write!(self.0, "{separator}{label}=\"{}\"", escape(value));
        }
        if !labels.is_empty() || bound.is_some() {
            self.0.push('}');
        }
        let _ = writeln!(self.0, " {value}");
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
    fn samples_have_labels_and_escaped_values() {
        let mut text = Text::default();
        text.head("topics", Kind::Gauge, "Topics.");
        text.sample("topics", &[], 7);
        text.sample("pages", &[("route", "/a\"\\\n/{id: u64}"), ("why", "x")], 1);
        let expected = "# HELP websocket_server_topics Topics.\n\
                        # TYPE websocket_server_topics gauge\n\
                        websocket_server_topics 7\n\
                        websocket_server_pages{route=\"/a\\\"\\\\\\n/{id: u64}\",why=\"x\"} 1\n";
        assert_eq!(text.0, expected);
    }

    #[test]
    fn a_histogram_has_cumulative_buckets_a_sum_and_a_count() {
        let mut histogram = Histogram::default();
        histogram.buckets = vec![(0.00001, 1), (1.0, 2), (f64::INFINITY, 3)];
        (histogram.sum, histogram.count) = (2.5, 3);
        let mut text = Text::default();
        text.histogram("wait_seconds", &[("hook", "info")], &histogram);
        let expected = "websocket_server_wait_seconds_bucket{hook=\"info\",le=\"0.00001\"} 1\n\
                        websocket_server_wait_seconds_bucket{hook=\"info\",le=\"1\"} 2\n\
                        websocket_server_wait_seconds_bucket{hook=\"info\",le=\"+Inf\"} 3\n\
                        websocket_server_wait_seconds_sum{hook=\"info\"} 2.5\n\
                        websocket_server_wait_seconds_count{hook=\"info\"} 3\n";
        assert_eq!(text.0, expected);
    }
}
