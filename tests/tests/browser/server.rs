//! A server for tests of the client. Its pages record their events.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::TcpListener;
use warp::filters::BoxedFilter;
use warp::reply::{Response, with_header};
use warp::{Filter, Reply};
use ws_server::limits::PageLimits;
use ws_server::page::Resumed;
use ws_server::prelude::*;
use ws_server::route::RouteUrl;

/// The number of pushes after every message.
const PUSHES: u64 = 5;

/// The messages that the handlers have received, in order.
#[derive(Clone, Default)]
struct Received(Arc<Mutex<Vec<String>>>);

impl Received {
    fn with<T>(&self, change: impl FnOnce(&mut Vec<String>) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A message of at least this length is also pushed back, in bytes.
const LONG: usize = 256;

/// Records every message, and pushes after it: 1, 2, 3, …
struct Recorder {
    pushed: u64,
}

#[ws_handler]
impl Recorder {
    fn init() -> Self {
        Recorder { pushed: 0 }
    }

    fn message(&mut self, text: String, page: Page, State(received): State<Received>) {
        if text.len() >= LONG {
            page.push("echoed", &text);
        }
        received.with(|received| received.push(text));
        for _ in 0..PUSHES {
            self.pushed += 1;
            page.push("number", &self.pushed);
        }
    }
}

topics! {
    /// What is published for all readers.
    Numbers: "numbers" => u64 { history: 100, keep: 10m };
}

/// Shows the published numbers, and continues if its page returns.
struct Reader;

#[ws_handler]
impl Reader {
    fn init(resumed: Resumed) -> Result<Self, Refusal> {
        resumed.subscribe("number", &Numbers)?;
        Ok(Reader)
    }

    fn message(&mut self, _: String) {}
}

dispatch! {
    struct Routes;
    state: Received;

    reader:   "/reader/stream" => Reader { attach: page };

    recorder: "/recorder" => Recorder { attach: page };
    deflated: "/recorder/deflated" => Recorder { attach: page, deflate: true };
}

/// A page with a tag for this route, modified by `changed`.
fn page(
    ws: &Ws,
    path: &'static str,
    route: RouteUrl,
    changed: fn(&str, &Page) -> String,
) -> BoxedFilter<(Response,)> {
    warp::path(path)
        .and(warp::path::end())
        .and(warp::get())
        .and(ws.page())
        .map(move |visit: Visit, page: Page| {
            let tag = page.stream_tag(&route).to_string();
            // The page's script connects, with its own delays, instead of the tag.
            let tag = tag.replace("data-stream", "data-route");
            let html = format!(
                "<!doctype html><title>test</title>{}\
                 <script type=\"module\" src=\"recorder.js\"></script>",
                changed(&tag, &page)
            );
            visit.reply(warp::reply::html(html))
        })
        .boxed()
}

/// A tag with an id that was never issued, and without a URL for a fresh one.
fn forged(tag: &str, page: &Page) -> String {
    tag.replace(page.id(), &"A".repeat(page.id().len()))
        .replace("data-fresh", "data-none")
}

/// A tag with an id that was never issued; the client replaces it with a fresh one.
fn stale(tag: &str, page: &Page) -> String {
    tag.replace(page.id(), &"A".repeat(page.id().len()))
}

/// Starts the server, which runs as long as the test's runtime. Returns its URL.
pub(crate) async fn start() -> String {
    let ws = ws(|server| server);
    let filter = application(&ws);
    listening(ws, filter).await
}

/// Like `start`, with page streams over HTTP.
pub(crate) async fn start_over_http() -> String {
    let ws = ws(Server::http_fallback);
    let filter = application(&ws);
    listening(ws, filter).await
}

/// Like `start`, with pages that end soon after their connection.
pub(crate) async fn start_impatient() -> String {
    let limits = PageLimits::DEFAULT.grace(Duration::from_millis(300));
    let ws = ws(|server| server.page_limits(limits));
    let filter = application(&ws);
    listening(ws, filter).await
}

/// Like `start`, with the whole application below `/live`.
pub(crate) async fn start_below_live() -> String {
    let ws = ws(|server| server.base("/live"));
    let filter = warp::path("live").and(application(&ws)).boxed();
    listening(ws, filter).await + "live/"
}

type Configured = Server<Received, ws_server::WithState<Received>>;

fn ws(configure: impl FnOnce(Configured) -> Configured) -> (Ws, Received) {
    let received = Received::default();
    let server = Server::new(Routes::table()).state(received.clone());
    let ws = configure(server).build().expect("the server builds");
    (ws, received)
}

async fn listening((ws, _): (Ws, Received), filter: BoxedFilter<(Response,)>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(ws.serve_until(filter, listener, std::future::pending::<()>()));
    url
}

/// Publishes a number; returns the number of pages.
fn publishing(ws: &Ws) -> BoxedFilter<(Response,)> {
    let (hub, pages) = (ws.hub().clone(), ws.hub().clone());
    let publish = warp::path!("publish" / u64).and(warp::post());
    let publish = publish.map(move |number| {
        let receipt = hub.publish(Numbers, &number);
        receipt.reached().to_string().into_response()
    });
    let count = warp::path!("pages").map(move || pages.page_count().to_string().into_response());
    publish.or(count).unify().boxed()
}

/// The routes, the client, and the pages of the tests.
fn application((ws, received): &(Ws, Received)) -> BoxedFilter<(Response,)> {
    let received = received.clone();
    let script = warp::path!("recorder.js").map(|| {
        let script = include_str!("../../browser/recorder.js");
        with_header(script, "content-type", "text/javascript").into_response()
    });
    let received = warp::path!("received").map(move || {
        received
            .with(|received| warp::reply::json(received))
            .into_response()
    });
    let unchanged = |tag: &str, _: &Page| tag.to_owned();
    let pages = page(ws, "open", Routes::recorder(), unchanged);
    let deflated = page(ws, "deflated", Routes::deflated(), unchanged);
    let refused = page(ws, "refused", Routes::recorder(), forged);
    let stale = page(ws, "stale", Routes::recorder(), stale);
    let pages = pages.or(deflated).unify().or(refused).unify();
    let pages = pages.or(stale).unify();
    let reader = page(ws, "reader", Routes::reader(), unchanged);
    let pages = pages.or(reader).unify().or(publishing(ws)).unify();
    let http = pages.or(script).unify().or(received).unify();
    let routes = ws.filter().or(ws.client()).unify();
    routes.or(http).unify().boxed()
}
