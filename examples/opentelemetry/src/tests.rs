//! The spans and the measurements of one connection, as an exporter gets them.

use opentelemetry::trace::{SpanId, TraceId};
use opentelemetry_sdk::metrics::InMemoryMetricExporter;
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData, ScopeMetrics};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SpanData};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use super::*;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

/// Connects in the trace, sends "hi", reads its echo and closes.
async fn talk(mut stream: TcpStream) {
    let request = format!(
        "GET /echo HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         traceparent: 00-{TRACE}-{PARENT}-01\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "));
    // A text and a Close with 1000, with masks of zeros.
    let frames = *b"\x81\x82\0\0\0\0hi\x88\x82\0\0\0\0\x03\xe8";
    stream.write_all(&frames).await.unwrap();
    let mut answers = Vec::new();
    stream.read_to_end(&mut answers).await.unwrap();
    assert_eq!(answers, b"\x81\x02hi\x88\x02\x03\xe8");
}

fn attribute(span: &SpanData, key: &str) -> Option<String> {
    let mut all = span.attributes.iter();
    let found = all.find(|it| it.key.as_str() == key)?;
    Some(found.value.to_string())
}

fn only<'s>(spans: &'s [SpanData], name: &str) -> &'s SpanData {
    let mut found = spans.iter().filter(|span| span.name == name);
    let first = found
        .next()
        .unwrap_or_else(|| panic!("no {name} in {spans:?}"));
    assert!(found.next().is_none(), "several {name} in {spans:?}");
    first
}

/// The value of each route.
fn values(metrics: &InMemoryMetricExporter, name: &str) -> Vec<(String, u64)> {
    let all = metrics.get_finished_metrics().unwrap();
    let last = all.last().unwrap();
    let mut metrics = last.scope_metrics().flat_map(ScopeMetrics::metrics);
    let found = metrics.find(|metric| metric.name() == name).unwrap();
    let route = |labels: Vec<opentelemetry::KeyValue>| labels[0].value.to_string();
    match found.data() {
        AggregatedMetrics::U64(MetricData::Sum(sum)) => sum
            .data_points()
            .map(|point| (route(point.attributes().cloned().collect()), point.value()))
            .collect(),
        AggregatedMetrics::U64(MetricData::Gauge(gauge)) => gauge
            .data_points()
            .map(|point| (route(point.attributes().cloned().collect()), point.value()))
            .collect(),
        other => panic!("{name} is {other:?}"),
    }
}

#[tokio::test]
async fn spans_and_measurements_of_a_connection_are_exported() {
    let (spans, metrics) = (
        InMemorySpanExporter::default(),
        InMemoryMetricExporter::default(),
    );
    let traces = SdkTracerProvider::builder()
        .with_simple_exporter(spans.clone())
        .build();
    let meters = SdkMeterProvider::builder()
        .with_periodic_exporter(metrics.clone())
        .build();
    let subscriber = tracing_subscriber::registry().with(telemetry::spans(&traces));
    // The tasks of this test run on its thread.
    let _subscribed = tracing::subscriber::set_default(subscriber);
    let ws = Server::new(Routes::table()).build().unwrap();
    telemetry::measure(&ws.hub(), &meters);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let client = async {
        talk(TcpStream::connect(address).await.unwrap()).await;
        drop(stop);
    };
    let served = serve(&ws, listener, async { drop(stopped.await) });
    tokio::join!(served, client);

    let spans = spans.get_finished_spans().unwrap();
    let (request, connection) = (only(&spans, "request"), only(&spans, "websocket"));
    let trace = TraceId::from_hex(TRACE).unwrap();
    assert_eq!(request.span_context.trace_id(), trace);
    assert_eq!(request.parent_span_id, SpanId::from_hex(PARENT).unwrap());
    // The connection has a trace of its own, with a link to that of the client.
    assert_eq!(connection.parent_span_id, SpanId::INVALID);
    assert_ne!(connection.span_context.trace_id(), trace);
    let links: Vec<_> = connection
        .links
        .iter()
        .map(|link| &link.span_context)
        .collect();
    assert_eq!(links, [&request.span_context]);
    assert_eq!(attribute(connection, "route").as_deref(), Some("/echo"));
    let hooks: Vec<_> = spans.iter().filter(|span| span.name == "hook").collect();
    let named = hooks.iter().map(|hook| attribute(hook, "hook").unwrap());
    assert_eq!(named.collect::<Vec<_>>(), ["init", "message", "terminate"]);
    for hook in hooks {
        assert_eq!(hook.parent_span_id, connection.span_context.span_id());
    }

    meters.force_flush().unwrap();
    for (name, value) in [
        ("websocket_server_connections", 0),
        ("websocket_server_messages_received", 1),
        ("websocket_server_messages_sent", 1),
    ] {
        assert_eq!(
            values(&metrics, name),
            [("/echo".to_owned(), value)],
            "{name}"
        );
    }
}
