//! Measurements and health checks beside a WebSocket route.
//!
//! `/echo` sends every message back, `/metrics` has the measurements for Prometheus, and `/livez` and
//! `/readyz` are the health checks. After SIGTERM the server is not ready for five seconds, in which
//! it still serves; then it closes its connections one by one over ten seconds.
//!
//! `prometheus.yml` beside this file scrapes it, and `grafana.json` is a dashboard. In production,
//! serve `/metrics` only to your monitoring.

use std::time::Duration;

use examples::{OptionSet, Options, announce};
use warp::Filter;
use ws_server::prelude::*;

/// The first line of `--help`.
const ABOUT: &str = "Echo on /echo, with measurements on /metrics, and /livez and /readyz.";

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

async fn serve(options: Options) -> examples::Result<()> {
    let server = Server::new(Routes::table())
        .drain_delay(Duration::from_secs(5))
        .drain_over(Duration::from_secs(10));
    let ws = server.build()?;
    let metrics = warp::path!("metrics").and(ws.metrics());
    let application = ws.filter().or(metrics).or(ws.health());
    let listener = options.bind().await?;
    announce(&listener, "/metrics")?;
    Ok(ws.serve_listener(application, listener).await?)
}

fn main() -> examples::Result<()> {
    tracing_subscriber::fmt().init();
    let options = Options::from_command_line(ABOUT, OptionSet::Listen)?;
    ws_server::runtime::block_on(serve(options))
}
