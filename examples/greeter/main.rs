//! The handler from the documentation: it greets after a second, echoes, and greets again.
//!
//! `/` is a page that opens a session, connects to `/socket/custom` and shows the messages;
//! `/socket/without-session` has the same handler and requires no session.

use std::time::Duration;

use examples::{OptionSet, Options, announce};
use warp::Filter;
use ws_server::prelude::*;

/// The first line of `--help`.
const ABOUT: &str =
    "Greets after a second, echoes, and greets again every five seconds. Open / in a browser.";

/// Greets, echoes, greets again.
struct Greeter;

#[ws_handler]
impl Greeter {
    fn init(socket: &Socket<Self>) -> Self {
        socket.notify_after(Duration::from_secs(1), "Hello!");
        Greeter
    }

    fn message(&mut self, text: String) -> String {
        format!("You said: {text}")
    }

    fn info(&mut self, greeting: &'static str, socket: &Socket<Self>) -> &'static str {
        socket.notify_after(Duration::from_secs(5), "Hello again!");
        greeting
    }

    fn terminate(self, reason: CloseReason) {
        tracing::info!(%reason, "disconnected");
    }
}

dispatch! {
    struct Routes;

    customws: "/socket/custom"          => Greeter;
    public:   "/socket/without-session" => Greeter { require_session: false };
}

#[ws_server::main]
async fn main() -> examples::Result<()> {
    tracing_subscriber::fmt().init();
    let options = Options::from_command_line(ABOUT, OptionSet::Listen)?;
    let ws = Server::new(Routes::table()).build()?;
    // The session id goes into a cookie, and the page's own id into the HTML.
    let page = warp::path::end()
        .and(warp::get())
        .and(ws.page())
        .map(|visit: Visit, page: Page| {
            let html = include_str!("page.html").replace("{{page}}", page.id());
            visit.reply(warp::reply::html(html))
        });

    let listener = options.bind().await?;
    announce(&listener, "/")?;
    Ok(ws.serve_listener(ws.filter().or(page), listener).await?)
}
