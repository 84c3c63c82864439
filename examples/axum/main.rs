//! A table inside an existing application of axum, with its state and its layers.
//!
//! * `/` is the page of a board with notes: `page.html`, with `page.js` and `style.css`. One tag opens
//!   its stream, and the script shows new notes.
//! * `POST /logon` and `POST /logoff` are forms. Guests can only read.
//! * `POST /notes` adds a note over HTTP, and publishes it to every page.
//! * `/live/board` is the route of the stream: its handler, in `board.rs`, adds notes too.
//!
//! Every request passes through a trace and a timeout, handshakes included. Neither affects open
//! connections.

use std::net::SocketAddr;
use std::time::Duration;

use axum::extract::{ConnectInfo, DefaultBodyLimit, Form, FromRef, FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Router, serve};
use examples::{OptionSet, Options, announce, escape};
use serde::Deserialize;
use tokio_util::sync::CancellationToken;
use tower_http::timeout::TimeoutLayer;
use tower_http::trace::TraceLayer;
use ws_server::prelude::{Hub, Page, Refusal, Server, Visit, Ws, dispatch};

use board::{Board, BoardPage};

mod board;

/// The first line of `--help`.
const ABOUT: &str = "A board of notes in an axum application. Open / in a browser.";

/// The time for a response, and for open connections to end at a shutdown.
const PATIENCE: Duration = Duration::from_secs(10);

/// The longest user name, in characters.
const MAX_NAME_LENGTH: usize = 32;

/// The content security policy of the page.
const POLICY: &str = "default-src 'none'; script-src 'self'; connect-src 'self'; \
                      style-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; \
                      frame-ancestors 'none'";

dispatch! {
    struct Live;
    state: Board;

    board: "/board" => BoardPage { attach: page, max_message: 4 KiB };
}

/// The state of the application. The table has a part of it.
#[derive(Clone)]
struct App {
    board: Board,
    ws: Ws,
}

impl FromRef<App> for Board {
    fn from_ref(app: &App) -> Self {
        app.board.clone()
    }
}

impl FromRef<App> for Hub {
    fn from_ref(app: &App) -> Self {
        app.ws.hub()
    }
}

/// A refusal of the library as an error of axum's handlers.
struct Refused(Refusal);

impl<E: Into<Refusal>> From<E> for Refused {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        self.0.into_response().into_response()
    }
}

/// Extracts the visit of a request, and begins a session if there is none.
struct Visitor(Visit);

impl FromRequestParts<App> for Visitor {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refused> {
        Ok(Self(app.ws.visit(parts).await?))
    }
}

/// Extracts the visit of a visitor who has a session.
struct KnownVisitor(Option<Visit>);

impl FromRequestParts<App> for KnownVisitor {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Refused> {
        Ok(Self(app.ws.find_visit(parts).await?))
    }
}

/// Adds the visitor's cookies to a response.
fn reply(visit: Visit, response: impl IntoResponse) -> Response {
    let mut response = response.into_response();
    visit.apply(response.headers_mut());
    response
}

fn html(user: Option<&str>, page: &Page, board: &Board) -> String {
    let hidden = |is_hidden| if is_hidden { "hidden" } else { "" };
    let notes = board.all().into_iter().map(|note| {
        let (user, text) = (escape(&note.user), escape(&note.text));
        format!("<li><b>{user}</b> <span>{text}</span></li>")
    });
    let who = user.map(escape).unwrap_or_default();
    // Replaced last: notes and names may contain text that looks like a placeholder.
    include_str!("page.html")
        .replace("{{stream}}", &page.stream_tag(&Live::board()).to_string())
        .replace("{{guest}}", hidden(user.is_some()))
        .replace("{{member}}", hidden(user.is_none()))
        .replace("{{longest}}", &MAX_NAME_LENGTH.to_string())
        .replace("{{user}}", &who)
        .replace("{{notes}}", &notes.collect::<String>())
}

async fn home(State(board): State<Board>, Visitor(mut visit): Visitor) -> Response {
    match visit.open_page() {
        Ok(page) => {
            let html = Html(html(visit.user(), &page, &board));
            let policy = HeaderValue::from_static(POLICY);
            reply(visit, ([(header::CONTENT_SECURITY_POLICY, policy)], html))
        }
        Err(error) => reply(visit, Refused::from(error)),
    }
}

/// The form of `POST /logon`.
#[derive(Deserialize)]
struct Logon {
    name: String,
}

/// Any name can log on here. A real application checks a password first, as `mount` does.
async fn log_on(Visitor(mut visit): Visitor, Form(form): Form<Logon>) -> Response {
    let name = form.name.trim();
    if name.is_empty() || name.chars().count() > MAX_NAME_LENGTH {
        return reply(visit, StatusCode::BAD_REQUEST);
    }
    match visit.logon(name).await {
        Ok(()) => reply(visit, Redirect::to("/")),
        Err(error) => reply(visit, Refused::from(error)),
    }
}

async fn log_off(KnownVisitor(visit): KnownVisitor) -> Response {
    let Some(mut visit) = visit else {
        return Redirect::to("/").into_response();
    };
    match visit.logoff().await {
        Ok(()) => reply(visit, Redirect::to("/")),
        Err(error) => reply(visit, Refused::from(error)),
    }
}

/// The form of `POST /notes`.
#[derive(Deserialize)]
struct NewNote {
    text: String,
}

async fn add_note(
    State(board): State<Board>,
    State(hub): State<Hub>,
    KnownVisitor(visit): KnownVisitor,
    Form(form): Form<NewNote>,
) -> Result<StatusCode, Refused> {
    let user = visit.as_ref().and_then(Visit::user);
    let user = user.ok_or_else(|| Refusal::FORBIDDEN.body("log on first"))?;
    board
        .add(user, &form.text, &hub)
        .map_err(|error| Refusal::BAD_REQUEST.body(error.text()))?;
    Ok(StatusCode::CREATED)
}

async fn script() -> impl IntoResponse {
    let script = HeaderValue::from_static("text/javascript; charset=utf-8");
    ([(header::CONTENT_TYPE, script)], include_str!("page.js"))
}

async fn style() -> impl IntoResponse {
    let style = HeaderValue::from_static("text/css; charset=utf-8");
    ([(header::CONTENT_TYPE, style)], include_str!("style.css"))
}

fn application(app: App) -> Router {
    let live = app.ws.service();
    let timeout = TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, PATIENCE);
    Router::new()
        .route("/", get(home))
        .route("/page.js", get(script))
        .route("/style.css", get(style))
        .route("/logon", post(log_on))
        .route("/logoff", post(log_off))
        .route("/notes", post(add_note))
        .with_state(app)
        .nest_service("/live", live)
        .layer(DefaultBodyLimit::max(4 * 1024))
        .layer(timeout)
        .layer(TraceLayer::new_for_http())
}

/// Waits for Ctrl-C, or SIGTERM if the system has it.
async fn signal() {
    let interrupt = async {
        // Without the handler, Ctrl-C ends the process at once.
        let _ = tokio::signal::ctrl_c().await;
    };
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                () = interrupt => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    interrupt.await;
}

#[ws_server::main]
async fn main() -> examples::Result<()> {
    tracing_subscriber::fmt().init();
    let options = Options::from_command_line(ABOUT, OptionSet::Listen)?;
    let board = Board::default();
    let server = Server::new(Live::table())
        .state(board.clone())
        .base("/live");
    let server = server.peer_addr(|extensions| {
        let info = extensions.get::<ConnectInfo<SocketAddr>>();
        info.map(|ConnectInfo(address)| *address)
    });
    let ws = server.build()?;
    let application = application(App {
        board,
        ws: ws.clone(),
    });

    let listener = options.bind().await?;
    announce(&listener, "/")?;
    let application = application.into_make_service_with_connect_info::<SocketAddr>();
    let stop = CancellationToken::new();
    let stopped = stop.clone().cancelled_owned();
    let serving = serve(listener, application).with_graceful_shutdown(stopped);
    // axum waits for its responses, and the library for its connections.
    let shutdown = async {
        signal().await;
        stop.cancel();
        ws.shutdown(PATIENCE).await;
    };
    let (ended, ()) = tokio::join!(serving.into_future(), shutdown);
    Ok(ended?)
}
