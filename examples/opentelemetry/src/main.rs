//! Spans and measurements in OpenTelemetry:
//!
//! ```sh
//! cargo run --manifest-path examples/opentelemetry/Cargo.toml
//! ```
//!
//! `/echo` sends every message back. The program prints what it exports; for a collector, replace the
//! exporters of `opentelemetry-stdout` by those of `opentelemetry-otlp`.

use std::error::Error;
use std::future::Future;

use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::net::TcpListener;
use tower::Layer;
use tower_http::trace::TraceLayer;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use ws_server::prelude::*;

mod telemetry;
#[cfg(test)]
mod tests;

/// Sends every message back.
struct Echo;

#[ws_handler]
impl Echo {
    fn init() -> Self {
        Echo
    }

    fn message(&mut self, message: Message) -> Message {
        message
    }
}

dispatch! {
    struct Routes;

    echo: "/echo" => Echo { require_session: false };
}

/// Serves until `stop` is ready. Every request has a span, in the trace of its client.
async fn serve(ws: &Ws, listener: TcpListener, stop: impl Future<Output = ()> + Send + 'static) {
    let traced = TraceLayer::new_for_http().make_span_with(telemetry::request_span);
    ws.serve_service_until(traced.layer(ws.service()), listener, stop)
        .await;
}

#[ws_server::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let traces = SdkTracerProvider::builder()
        .with_batch_exporter(opentelemetry_stdout::SpanExporter::default())
        .build();
    let metrics = SdkMeterProvider::builder()
        .with_periodic_exporter(opentelemetry_stdout::MetricExporter::default())
        .build();
    tracing_subscriber::registry()
        .with(telemetry::spans(&traces))
        .init();
    let ws = Server::new(Routes::table()).build()?;
    telemetry::measure(&ws.hub(), &metrics);
    let listener = TcpListener::bind("127.0.0.1:3030").await?;
    println!("ws://127.0.0.1:3030/echo");
    serve(&ws, listener, async {
        // If there is no such signal, the server runs until the process ends.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
    .await;
    // What is not exported yet.
    traces.shutdown()?;
    metrics.shutdown()?;
    Ok(())
}
