//! Page streams: every push arrives at the page, and every message of the page arrives at its
//! handler, once and in order, even if connections are lost.
//!
//! * `/` is the page: `page.html`, with `page.js` and `style.css`. Its policy forbids inline code;
//!   one tag opens the stream, and `page.js` imports the client.
//! * `/notes`, in `notes.rs`, is the route of the stream: a handler that lives as long as the
//!   page and answers its requests.
//! * `POST /push/page`, `/push/session`, `/push/user` and `/push/everyone`, in `push.rs`, push.
//! * `POST /logon` and `POST /logoff` are forms.
//!
//! Things to try: restart the server, open a second tab, duplicate a tab, go offline, log on in one
//! tab and watch the other.

use std::time::Duration;

use examples::{OptionSet, Options, announce, escape};
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

/// The content security policy: the page may load scripts and styles from this server, connect to
/// it, and submit forms to it. `'self'` includes WebSockets.
const POLICY: &str = "default-src 'none'; script-src 'self'; connect-src 'self'; \
                      style-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; \
                      frame-ancestors 'none'";

/// The longest user name, in characters.
const MAX_NAME_LENGTH: usize = 32;

dispatch! {
    struct Routes;

    notes: "/notes" => Notes { attach: page, max_message: 4 KiB };
}

/// The query of `/`: `?wrong` after an invalid name.
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
            .replace("{{longest}}", &MAX_NAME_LENGTH.to_string())
            // Replaced last: a name may contain text that looks like a placeholder.
            .replace("{{user}}", &escape(user.unwrap_or_default()))
    }
}

/// The form of `POST /logon`.
#[derive(Deserialize)]
struct Logon {
    name: String,
}

/// Redirects the browser to a page with GET.
fn redirect(page: &'static str) -> impl Reply {
    with_header(StatusCode::SEE_OTHER, "location", page)
}

/// Any name can log on here. A real application checks a password first, as `mount` does.
async fn log_on(form: Logon, mut visit: Visit) -> Response {
    let name = form.name.trim();
    if name.is_empty() || name.chars().count() > MAX_NAME_LENGTH {
        return visit.reply(redirect("/?wrong"));
    }
    match visit.logon(name).await {
        Ok(()) => visit.reply(redirect("/")),
        Err(error) => visit.refuse(error),
    }
}

async fn log_off(visit: Option<Visit>) -> Response {
    let Some(mut visit) = visit else {
        return redirect("/").into_response();
    };
    match visit.logoff().await {
        Ok(()) => visit.reply(redirect("/")),
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

/// The page, its files, and the targets of its forms.
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

/// Pushes a count of seconds to every page.
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
    let options = Options::from_command_line(ABOUT, OptionSet::Listen)?;
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
