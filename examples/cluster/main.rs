//! A chat room on several servers, with one Redis. The page shows which server it is connected to,
//! and continues on another one if that is killed.
//!
//! `run.sh` starts two servers behind nginx. A server needs three environment variables: `REDIS_URL`,
//! `WS_SECRET` with at least 32 random bytes that are the same for all, and `SERVER_NAME`.
//!
//! * `/` is the page: `page.html`, with `page.js` and `style.css`.
//! * `/room` is the route of its stream: the handler in `room.rs`.

use examples::{OptionSet, Options, announce};
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::reply::{Response, with_header};
use ws_server::prelude::*;
use ws_server::session::Secrets;

use room::{Chat, ServerName};

mod room;

/// The first line of `--help`.
const ABOUT: &str = "One server of a chat on several servers; run.sh starts two behind nginx.";

/// The content security policy: the page may load scripts and styles from this server, and connect
/// to it. `'self'` includes WebSockets.
const POLICY: &str = "default-src 'none'; script-src 'self'; connect-src 'self'; \
                      style-src 'self'; img-src data:; base-uri 'none'; frame-ancestors 'none'";

dispatch! {
    struct Routes;
    state: ServerName;

    room: "/room" => Chat { attach: page, max_message: 4 KiB, rate: 200/m };
}

/// A file of the page.
fn file(name: &'static str, kind: &'static str, text: &'static str) -> BoxedFilter<(Response,)> {
    warp::path(name)
        .and(warp::path::end())
        .and(warp::get())
        .map(move || {
            let file = with_header(text, "content-type", kind);
            let file = with_header(file, "cache-control", "no-cache");
            warp::Reply::into_response(with_header(file, "x-content-type-options", "nosniff"))
        })
        .boxed()
}

/// The page and its files.
fn pages(ws: &Ws) -> BoxedFilter<(Response,)> {
    let page = warp::path::end()
        .and(warp::get())
        .and(ws.page())
        .map(|visit: Visit, page: Page| {
            let stream = page.stream_tag(&Routes::room()).to_string();
            let html = include_str!("page.html")
                .replace("{{stream}}", &stream)
                .replace("{{user}}", &room::name_of(visit.session()));
            let html = warp::reply::html(html);
            visit.reply(with_header(html, "content-security-policy", POLICY))
        });
    let script = file("page.js", "text/javascript", include_str!("page.js"));
    let style = file("style.css", "text/css", include_str!("style.css"));
    page.or(script).unify().or(style).unify().boxed()
}

/// An environment variable.
fn setting(name: &str) -> examples::Result<String> {
    std::env::var(name).map_err(|error| format!("{name}: {error}").into())
}

#[ws_server::main]
async fn main() -> examples::Result<()> {
    tracing_subscriber::fmt().init();
    let options = Options::from_command_line(ABOUT, OptionSet::Listen)?;
    let secrets = Secrets::new([setting("WS_SECRET")?]).ok_or("WS_SECRET is too short")?;
    let ws = Server::new(Routes::table())
        .state(ServerName(setting("SERVER_NAME")?))
        .redis([setting("REDIS_URL")?])
        .secrets(secrets)
        // nginx.
        .trusted_proxies(["127.0.0.1"])
        .build()?;
    // `/readyz` is 503 until this server has read the log.
    let http = pages(&ws).or(ws.health());

    let listener = options.bind().await?;
    announce(&listener, "/")?;
    Ok(ws
        .serve_listener(ws.filter().or(ws.client()).or(http), listener)
        .await?)
}
