//! The names, types and labels of all measurements.

use std::collections::BTreeMap;

use ws_core::stats::{Histogram, RouteStats, Stats};

/// The type of a measurement.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// Labels and their values.
pub(crate) type Labels<'l> = &'l [(&'static str, &'l str)];

/// Receives measurements: first the head of a name, then its values.
///
/// Values of labels come from the program, not from clients: patterns of routes, status codes, and
/// fixed words.
pub(crate) trait Sink {
    fn head(&mut self, name: &'static str, kind: Kind, help: &'static str);
    fn value(&mut self, labels: Labels<'_>, value: u64);
    fn histogram(&mut self, labels: Labels<'_>, histogram: &Histogram);
}

/// Passes all measurements to the sink.
pub(crate) fn visit(stats: &Stats, sink: &mut impl Sink) {
    connections(sink, stats);
    messages(sink, stats);
    hooks(sink, stats);
    outboxes(sink, stats);
    topics_and_pages(sink, stats);
    refusals(sink, stats);
}

fn connections<S: Sink>(sink: &mut S, stats: &Stats) {
    sink.head(
        "websocket_server_connections",
        Kind::Gauge,
        "Open connections.",
    );
    for route in &stats.routes {
        sink.value(&[("route", &route.route)], route.connections as u64);
    }
    sink.head(
        "websocket_server_handshakes_total",
        Kind::Counter,
        "Responses to handshakes.",
    );
    let handshakes = |sink: &mut S, route: &str, statuses: &BTreeMap<u16, u64>| {
        for (code, count) in statuses {
            let code = code.to_string();
            let labels = [("route", route), ("status", &*code)];
            sink.value(&labels, *count);
        }
    };
    for route in &stats.routes {
        handshakes(sink, &route.route, &route.handshakes);
    }
    handshakes(sink, "(none)", &stats.unrouted);
    let name = "websocket_server_connection_duration_seconds";
    let help = "How long ended connections were open.";
    sink.head(name, Kind::Histogram, help);
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
            sink.histogram(&labels, &closed.duration);
        }
    }
}

fn messages(sink: &mut impl Sink, stats: &Stats) {
    let name = "websocket_server_messages_total";
    sink.head(
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
                sink.value(&labels, count);
            }
        }
    }
    let name = "websocket_server_io_bytes_total";
    sink.head(
        name,
        Kind::Counter,
        "Bytes read from clients (in) and written to clients (out).",
    );
    for route in &stats.routes {
        for (direction, bytes) in [("in", route.bytes_received), ("out", route.bytes_sent)] {
            let labels = [("route", &*route.route), ("direction", direction)];
            sink.value(&labels, bytes);
        }
    }
}

fn hooks(sink: &mut impl Sink, stats: &Stats) {
    let name = "websocket_server_hook_duration_seconds";
    let help = "Calls of hooks until they end. Those that do not wait are sampled.";
    sink.head(name, Kind::Histogram, help);
    for route in &stats.routes {
        for hook in &route.hooks {
            let labels = [
                ("route", &*route.route),
                ("hook", hook.hook),
                ("outcome", hook.outcome),
            ];
            sink.histogram(&labels, &hook.duration);
        }
    }
    let name = "websocket_server_mailbox_full_total";
    sink.head(
        name,
        Kind::Counter,
        "Notifications that found the mailbox of a handler full.",
    );
    for route in &stats.routes {
        sink.value(&[("route", &route.route)], route.mailbox_full);
    }
}

fn outboxes(sink: &mut impl Sink, stats: &Stats) {
    sink.head(
        "websocket_server_outbox_bytes",
        Kind::Gauge,
        "Bytes that wait for clients.",
    );
    for route in &stats.routes {
        sink.value(&[("route", &route.route)], route.outbox_bytes as u64);
    }
    let name = "websocket_server_outbox_dropped_total";
    sink.head(
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
            sink.value(&[("route", route), ("policy", policy)], count);
        }
    }
}

fn topics_and_pages(sink: &mut impl Sink, stats: &Stats) {
    let topics = stats.topics;
    sink.head(
        "websocket_server_published_total",
        Kind::Counter,
        "Messages published to topics.",
    );
    sink.value(&[], topics.published);
    let name = "websocket_server_deliveries_total";
    sink.head(
        name,
        Kind::Counter,
        "Subscribers that accepted a published message.",
    );
    sink.value(&[], topics.deliveries);
    sink.head(
        "websocket_server_topics",
        Kind::Gauge,
        "Topics with subscribers.",
    );
    sink.value(&[], topics.topics as u64);
    sink.head(
        "websocket_server_sessions",
        Kind::Gauge,
        "Sessions that this process uses.",
    );
    sink.value(&[], stats.sessions as u64);
    let pages = stats.pages;
    sink.head(
        "websocket_server_pages",
        Kind::Gauge,
        "Pages with a connection, and pages that wait for one.",
    );
    for (state, count) in [("connected", pages.connected), ("waiting", pages.waiting)] {
        sink.value(&[("state", state)], count as u64);
    }
    let name = "websocket_server_page_resets_total";
    sink.head(name, Kind::Counter, "Resets of pages that miss messages.");
    let resets = [
        ("restart", pages.resets_restart),
        ("history", pages.resets_history),
        ("overflow", pages.resets_overflow),
    ];
    for (why, count) in resets {
        sink.value(&[("why", why)], count);
    }
    sink.head(
        "websocket_server_page_pushes_superseded_total",
        Kind::Counter,
        "Messages dropped because their page has connected to another server.",
    );
    sink.value(&[], pages.superseded_pushes);
}

fn refusals(sink: &mut impl Sink, stats: &Stats) {
    let name = "websocket_server_refused_total";
    sink.head(
        name,
        Kind::Counter,
        "Clients refused because of a limit or an origin.",
    );
    for (reason, count) in &stats.refused {
        sink.value(&[("reason", reason.as_str())], *count);
    }
    let name = "websocket_server_logs_throttled_total";
    sink.head(name, Kind::Counter, "Suppressed log lines of this process.");
    sink.value(&[], stats.logs_throttled);
}
