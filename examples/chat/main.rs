//! Chat rooms: the last messages, who is here, who is typing, and badges for other rooms.
//!
//! * `/?room=NAME` is the page of a room: `page.html`, with `page.js` and `style.css`. A visitor
//!   who has not logged on gets the form in `logon.html`. `POST /logon` and `POST /logoff` are the
//!   targets of the forms.
//! * `/rooms/NAME` is the route of its stream: the handler in `room.rs`, with the topics in
//!   `topics.rs`. The member who has been in a room for longest moderates it and can remove others,
//!   who then stay out for a while: `removals.rs`.
//!
//! Things to try: open a second tab, or another room in a second tab; log on with another name in a
//! private window; go offline for a few seconds.

use examples::{OptionSet, Options, announce, escape};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use warp::filters::BoxedFilter;
use warp::http::StatusCode;
use warp::reply::{Response, with_header};
use warp::{Filter, Rejection, Reply};
use ws_server::prelude::*;

use removals::Removals;
use room::Chat;

mod names;
mod removals;
mod room;
#[cfg(test)]
mod tests;
mod topics;

/// The first line of `--help`.
const ABOUT: &str = "Chat rooms with history, presence and badges. Open / in a browser.";

/// The content security policy: the page may load scripts and styles from this server, connect to
/// it, and submit forms to it. `'self'` includes WebSockets.
const POLICY: &str = "default-src 'none'; script-src 'self'; connect-src 'self'; \
                      style-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; \
                      frame-ancestors 'none'";

/// The room of `/`.
const LOBBY: &str = "lobby";

dispatch! {
    struct Routes;
    state: Removals;

    room: "/rooms/{room}" => Chat { attach: page, max_message: 4 KiB, rate: 200/m };
}

/// The query of `/`: the room, and `?wrong` after an invalid name.
#[derive(Deserialize)]
struct View {
    room: Option<String>,
    wrong: Option<String>,
}

impl View {
    fn html(self, user: Option<&str>, page: &Page) -> String {
        let room = known(self.room);
        let stream = page.stream_tag(&Routes::room(&room)).to_string();
        let hidden = |is_hidden| if is_hidden { "hidden" } else { "" };
        let html = match user {
            Some(_) => include_str!("page.html").replace("{{stream}}", &stream),
            None => include_str!("logon.html").replace("{{right}}", hidden(self.wrong.is_none())),
        };
        html.replace("{{room}}", &room)
            .replace("{{longest}}", &names::MAX_NAME.to_string())
            // Replaced last: a name may contain text that looks like a placeholder.
            .replace("{{user}}", &escape(user.unwrap_or_default()))
    }
}

/// The room with this name, or the lobby.
fn known(room: Option<String>) -> String {
    let room = room.filter(|room| names::is_room(room));
    room.unwrap_or_else(|| LOBBY.to_owned())
}

/// The form of `POST /logon`.
#[derive(Deserialize)]
struct Logon {
    name: String,
    room: Option<String>,
}

/// Redirects the browser to a page with GET.
fn redirect(page: String) -> impl Reply {
    with_header(StatusCode::SEE_OTHER, "location", page)
}

/// Any name can log on here. A real application checks a password first, as `mount` does.
async fn log_on(form: Logon, mut visit: Visit) -> Response {
    let (name, room) = (form.name.trim(), known(form.room));
    if !names::is_user(name) {
        return visit.reply(redirect(format!("/?room={room}&wrong")));
    }
    match visit.logon(name).await {
        Ok(()) => visit.reply(redirect(format!("/?room={room}"))),
        Err(error) => visit.refuse(error),
    }
}

async fn log_off(visit: Option<Visit>) -> Response {
    let page = redirect("/".to_owned());
    let Some(mut visit) = visit else {
        return page.into_response();
    };
    match visit.logoff().await {
        Ok(()) => visit.reply(page),
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
fn file(name: &'static str, kind: &'static str, text: &'static str) -> BoxedFilter<(Response,)> {
    warp::path(name)
        .and(warp::path::end())
        .and(warp::get())
        .map(move || {
            let file = with_header(text, "content-type", kind);
            let file = with_header(file, "cache-control", "no-cache");
            with_header(file, "x-content-type-options", "nosniff").into_response()
        })
        .boxed()
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

#[ws_server::main]
async fn main() -> examples::Result<()> {
    tracing_subscriber::fmt().init();
    let options = Options::from_command_line(ABOUT, OptionSet::Listen)?;
    let ws = Server::new(Routes::table())
        .state(Removals::default())
        .build()?;
    let http = pages(&ws);

    let listener = options.bind().await?;
    announce(&listener, "/")?;
    Ok(ws
        .serve_listener(ws.filter().or(ws.client()).or(http), listener)
        .await?)
}
