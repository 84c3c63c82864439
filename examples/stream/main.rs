//! Page streams: what the server pushes arrives at a page, and what the page says arrives at
//! its handler, each once and in order, whatever becomes of connections.
//!
//! * `/` is the page: `page.html`, with `page.js` and `style.css`. It allows no inline code;
//!   its stream is one tag, and `page.js` imports the client.
//! * `/notes`, in `notes.rs`, is the route of the stream: a handler that lives as long as the
//!   page and answers its requests.
//! * `POST /push/page`, `/push/session`, `/push/user` and `/push/everyone`, in `push.rs`, push.
//! * `POST /logon` and `POST /logoff` are forms.
//!
//! Things to try: stop the server and start it again, open a second tab, duplicate a tab, go
//! offline, log on in one tab and look at the other.

use std::time::Duration;

use examples::{Options, Takes, announce, escape};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::time::MissedTickBehavior;
use warp::filters::BoxedFilter;
use warp::http::StatusCode;
use warp::reply::{Response, with_header};
use warp::{Filter, Rejection, Reply};
use ws_server::prelude::*;

use notes::Notes;

mod notes;
mod push;

/// The first line of `--help`.
const ABOUT: &str =
    "A page that the server pushes to, over any number of connections. Open / in a browser.";

/// What the page may do: load scripts, styles and pictures from here, connect to here, and send
/// forms to here. `'self'` includes WebSockets.
const POLICY: &str = "default-src 'none'; script-src 'self'; connect-src 'self'; \
                      style-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; \
                      frame-ancestors 'none'";

/// As many characters has the name of a user.
const LONGEST_NAME: usize = 32;

dispatch! {
    struct Routes;

    notes: "/notes" => Notes { attach: page, max_message: 4 KiB };
}

/// What `/` shows: `?wrong` after a name that cannot be one.
#[derive(Deserialize)]
struct View {
    wrong: Option<String>,
}

impl View {
    fn html(&self, user: Option<&str>, page: &Page) -> String {
        let hidden = |is_hidden| if is_hidden { "hidden" } else { "" };
        include_str!("page.html")
            .replace("{{stream}}", &page.stream_tag(&Routes::notes()).to_string())
            .replace("{{guest}}", hidden(user.is_some()))
            .replace("{{member}}", hidden(user.is_none()))
            .replace("{{right}}", hidden(self.wrong.is_none()))
            .replace("{{longest}}", &LONGEST_NAME.to_string())
            // The last, so that nothing is looked for in a name.
            .replace("{{user}}", &escape(user.unwrap_or_default()))
    }
}

/// The form of `POST /logon`.
#[derive(Deserialize)]
struct Logon {
    name: String,
}

/// Sends the browser to a page, with GET.
fn see(page: &'static str) -> impl Reply {
    with_header(StatusCode::SEE_OTHER, "location", page)
}

/// Anybody may be anyone here: an application asks for a password first, as `mount` does.
async fn log_on(form: Logon, mut visit: Visit) -> Response {
    let name = form.name.trim();
    if name.is_empty() || name.chars().count() > LONGEST_NAME {
        return visit.reply(see("/?wrong"));
    }
    match visit.logon(name).await {
        Ok(()) => visit.reply(see("/")),
        Err(error) => visit.refuse(error),
    }
}

async fn log_off(visit: Option<Visit>) -> Response {
    let Some(mut visit) = visit else {
        return see("/").into_response();
    };
    match visit.logoff().await {
        Ok(()) => visit.reply(see("/")),
        Err(error) => visit.refuse(error),
    }
}

/// A POST with a short form.
fn form<T: DeserializeOwned + Send>() -> impl Filter<Extract = (T,), Error = Rejection> + Clone {
    warp::post()
        .and(warp::body::content_length_limit(4 * 1024))
        .and(warp::body::form())
}

/// A file of the page.
fn file(
    name: &'static str,
    kind: &'static str,
    text: &'static str,
) -> impl Filter<Extract = (Response,), Error = Rejection> + Clone {
    warp::path(name)
        .and(warp::path::end())
        .and(warp::get())
        .map(move || {
            let file = with_header(text, "content-type", kind);
            let file = with_header(file, "cache-control", "no-cache");
            with_header(file, "x-content-type-options", "nosniff").into_response()
        })
}

/// The page, its files, and what its forms are sent to.
fn pages(ws: &Ws) -> BoxedFilter<(Response,)> {
    let page = warp::path::end()
        .and(warp::get())
        .and(warp::query())
        .and(ws.page())
        .map(|view: View, visit: Visit, page: Page| {
            let html = warp::reply::html(view.html(visit.user(), &page));
            visit.reply(with_header(html, "content-security-policy", POLICY))
        });
    let script = file("page.js", "text/javascript", include_str!("page.js"));
    let style = file("style.css", "text/css", include_str!("style.css"));
    let logon = warp::path!("logon")
        .and(form())
        .and(ws.session())
        .then(log_on);
    let logoff = warp::path!("logoff")
        .and(warp::post())
        .and(ws.current_visit())
        .then(log_off);
    let files = script.or(style).unify();
    let forms = logon.or(logoff).unify();
    page.or(files).unify().or(forms).unify().boxed()
}

/// Counts the seconds, for everyone.
async fn count(hub: Hub) {
    let mut second = tokio::time::interval(Duration::from_secs(1));
    second.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for seconds in 0_u64.. {
        second.tick().await;
        hub.broadcast("count", &seconds);
    }
}

#[ws_server::main]
async fn main() -> examples::Result<()> {
    tracing_subscriber::fmt().init();
    let options = Options::from_command_line(ABOUT, Takes::Listen)?;
    let ws = Server::new(Routes::table()).build()?;
    let http = pages(&ws).or(push::routes(&ws)).unify();

    let listener = options.bind().await?;
    announce(&listener, "/")?;
    let counting = tokio::spawn(count(ws.hub()));
    let served = ws.serve_listener(ws.filter().or(ws.client()).or(http), listener);
    let served = served.await;
    counting.abort();
    Ok(served?)
}
