//! The providers of OpenTelemetry, and what they get from the server.

use http::{HeaderMap, Request};
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Meter, MeterProvider as _};
use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::{Level, Span, Subscriber};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::registry::LookupSpan;
use ws_server::Hub;
use ws_server::stats::RouteStats;

/// The name of this application among the instruments and spans.
const SCOPE: &str = "opentelemetry-example";

/// The layer that exports spans: those of requests and connections, and of each hook.
///
/// The spans of hooks have the level `debug`. Leave `ws_core::hook` out for applications with many
/// messages.
pub(crate) fn spans<S>(provider: &SdkTracerProvider) -> impl Layer<S> + use<S>
where
    S: Subscriber + for<'s> LookupSpan<'s>,
{
    let targets = Targets::new()
        .with_target(env!("CARGO_CRATE_NAME"), Level::INFO)
        .with_target("ws_core", Level::INFO)
        .with_target("ws_core::hook", Level::DEBUG);
    tracing_opentelemetry::layer()
        .with_tracer(provider.tracer(SCOPE))
        .with_filter(targets)
}

/// The span of a request, in the trace that its header `traceparent` names.
///
/// The span `websocket` of its connection begins a trace of its own, because it may last for hours,
/// and has a link to this span. A client can send any trace: let your proxy set or remove the header.
pub(crate) fn request_span<B>(request: &Request<B>) -> Span {
    let span = tracing::info_span!("request", method = %request.method());
    let parent = TraceContextPropagator::new().extract(&Headers(request.headers()));
    // It fails only if the span is not exported.
    let _ = span.set_parent(parent);
    span
}

struct Headers<'r>(&'r HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(http::HeaderName::as_str).collect()
    }
}

/// Registers instruments that read the counters of the server when they are collected. They cost a
/// message nothing. Labels are patterns of routes, so clients cannot add series.
pub(crate) fn measure(hub: &Hub, provider: &SdkMeterProvider) {
    let meter = provider.meter(SCOPE);
    let connections = |route: &RouteStats| route.connections as u64;
    let gauge = meter.u64_observable_gauge("websocket_server_connections");
    let of_hub = hub.clone();
    gauge
        .with_callback(move |observer| {
            for route in of_hub.stats().routes {
                let labels = [KeyValue::new("route", route.route.clone())];
                observer.observe(connections(&route), &labels);
            }
        })
        .build();
    count(hub, &meter, "websocket_server_messages_received", |route| {
        route.received.text + route.received.binary
    });
    count(hub, &meter, "websocket_server_messages_sent", |route| {
        route.sent.text + route.sent.binary
    });
}

/// Registers one counter of every route.
fn count(
    hub: &Hub,
    meter: &Meter,
    name: &'static str,
    counted: impl Fn(&RouteStats) -> u64 + Send + Sync + 'static,
) {
    let hub = hub.clone();
    meter
        .u64_observable_counter(name)
        .with_callback(move |observer| {
            for route in hub.stats().routes {
                let labels = [KeyValue::new("route", route.route.clone())];
                observer.observe(counted(&route), &labels);
            }
        })
        .build();
}
