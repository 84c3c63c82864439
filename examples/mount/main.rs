//! A table inside an existing warp application. Its users log on with a form; its pages, JSON
//! routes and chat rooms identify them by their session.
//!
//! `/` is the page of a room, with a form to log on or off: `POST /logon` and `POST /logoff`.
//! `/rooms/NUMBER/chat` is the chat; guests can read it. `GET /api/rooms` lists the rooms, and
//! `POST /api/rooms/NUMBER` with `{"text": "…"}` posts a message over HTTP.

use examples::{OptionSet, Options, announce, escape};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use warp::filters::BoxedFilter;
use warp::http::StatusCode;
use warp::reply::Response;
use warp::{Filter, Rejection, Reply};
use ws_server::prelude::*;

use chat::{Answer, Chat, Event, Rooms};
use users::Users;

mod chat;
mod users;

/// The first line of `--help`.
const ABOUT: &str = "Chat rooms in a warp application with users. Open / in a browser.";

/// The application's state; each handler extracts the parts that it needs.
#[derive(Clone, FromRef)]
struct App {
    rooms: Rooms,
    users: Users,
}

dispatch! {
    struct Routes;
    state: App;

    chat: "/rooms/{room: u64}/chat" => Chat { max_message: 4 KiB };
}

/// The query of `/`: `?room=NUMBER`, and `wrong` after a failed logon.
#[derive(Deserialize)]
struct View {
    room: Option<u64>,
    wrong: Option<String>,
}

impl View {
    fn html(&self, user: Option<&str>, page: &Page) -> String {
        let who = match user {
            Some(_) => include_str!("logoff.html"),
            None => include_str!("logon.html"),
        };
        let wrong = match self.wrong {
            Some(_) => "The name or the password is wrong.",
            None => "",
        };
        include_str!("page.html")
            .replace("{{who}}", who)
            .replace("{{wrong}}", wrong)
            .replace("{{page}}", page.id())
            .replace("{{room}}", &self.room.unwrap_or(1).to_string())
            // Replaced last: a name may contain text that looks like a placeholder.
            .replace("{{user}}", &escape(user.unwrap_or_default()))
    }
}

/// The form of `POST /logon`.
#[derive(Deserialize)]
struct Logon {
    name: String,
    password: String,
    room: u64,
}

/// The form of `POST /logoff`.
#[derive(Deserialize)]
struct Logoff {
    room: u64,
}

/// The body of `POST /api/rooms/NUMBER`.
#[derive(Deserialize)]
struct Announcement {
    text: String,
}

/// Redirects the browser to another page with GET.
fn redirect(page: String) -> impl Reply {
    warp::reply::with_header(StatusCode::SEE_OTHER, "location", page)
}

async fn log_on(form: Logon, mut visit: Visit, users: Users) -> Response {
    let Logon { name, room, .. } = form;
    if !users.verify(&name, form.password).await {
        return visit.reply(redirect(format!("/?room={room}&wrong")));
    }
    match visit.logon(name).await {
        Ok(()) => visit.reply(redirect(format!("/?room={room}"))),
        Err(error) => visit.refuse(error),
    }
}

async fn log_off(Logoff { room }: Logoff, visit: Option<Visit>) -> Response {
    let page = redirect(format!("/?room={room}"));
    let Some(mut visit) = visit else {
        return page.into_response();
    };
    match visit.logoff().await {
        Ok(()) => visit.reply(page),
        Err(error) => visit.refuse(error),
    }
}

/// A POST with a form of at most 4 KiB.
fn form<T: DeserializeOwned + Send>() -> impl Filter<Extract = (T,), Error = Rejection> + Clone {
    warp::post()
        .and(warp::body::content_length_limit(4 * 1024))
        .and(warp::body::form())
}

/// The page, and the targets of its forms.
fn pages(ws: &Ws, users: Users) -> BoxedFilter<(Response,)> {
    // The session id goes into a cookie, and the page's own id into the HTML.
    let page = warp::path::end()
        .and(warp::get())
        .and(warp::query())
        .and(ws.page())
        .map(|view: View, visit: Visit, page: Page| {
            let html = view.html(visit.user(), &page);
            visit.reply(warp::reply::html(html))
        });
    let logon = warp::path!("logon")
        .and(form())
        .and(ws.session())
        .and(warp::any().map(move || users.clone()))
        .then(log_on);
    let logoff = warp::path!("logoff")
        .and(form())
        .and(ws.current_visit())
        .then(log_off);
    page.or(logon).unify().or(logoff).unify().boxed()
}

/// The JSON routes.
fn api(ws: &Ws, rooms: Rooms) -> BoxedFilter<(Response,)> {
    let list = warp::path!("api" / "rooms")
        .and(warp::get())
        .map(move || warp::reply::json(&rooms.all()).into_response());
    let hub = ws.hub();
    let say = warp::path!("api" / "rooms" / u64)
        .and(warp::post())
        .and(ws.current_session())
        .and(warp::body::content_length_limit(4 * 1024))
        .and(warp::body::json())
        .map(move |room, session: Option<Session>, said: Announcement| {
            let Some(user) = session.as_ref().and_then(Session::user) else {
                let response = warp::reply::json(&Answer::GUESTS_ONLY_READ);
                return warp::reply::with_status(response, StatusCode::FORBIDDEN).into_response();
            };
            let said = Event::Said {
                name: user.to_owned(),
                text: said.text,
            };
            match hub.publish(chat::topic(room), &said).reached() {
                0 => StatusCode::NOT_FOUND.into_response(),
                _ => StatusCode::ACCEPTED.into_response(),
            }
        });
    list.or(say).unify().boxed()
}

#[ws_server::main]
async fn main() -> examples::Result<()> {
    tracing_subscriber::fmt().init();
    let options = Options::from_command_line(ABOUT, OptionSet::Listen)?;
    let app = App {
        rooms: Rooms::default(),
        users: Users::new()?,
    };
    let ws = Server::new(Routes::table()).state(app.clone()).build()?;
    let http = pages(&ws, app.users).or(api(&ws, app.rooms));

    let listener = options.bind().await?;
    announce(&listener, "/")?;
    Ok(ws.serve_listener(ws.filter().or(http), listener).await?)
}
