//! A site with sessions: pages, logon and logoff, and routes that use the visitor.

use warp::Filter;
use ws_server::prelude::*;
use ws_server::{Ws, WsFilter};

use crate::running::Running;

/// Sends its user, also in the answer to each message; and forwards broadcasts.
struct Greeting(String);

#[ws_handler]
impl Greeting {
    fn init(session: Option<Session>, socket: &Socket<Self>) -> Self {
        let user = match &session {
            None => "nobody".to_owned(),
            Some(session) => session.user().unwrap_or("a visitor").to_owned(),
        };
        let _ = socket.send(user.clone());
        Greeting(user)
    }

    fn message(&mut self, text: String, session: Option<Session>) -> String {
        let user = session
            .as_ref()
            .and_then(|session| session.user().map(str::to_owned));
        let secret = session.and_then(|session| session.get::<String>("secret"));
        format!("{text}: {} {user:?} {secret:?}", self.0)
    }
}

/// Does not use the visitor.
struct Echo;

#[ws_handler]
impl Echo {
    fn init() -> Self {
        Echo
    }

    fn message(&mut self, text: String) -> String {
        text
    }
}

dispatch! {
    pub(crate) struct Routes;

    custom:   "/socket/custom"          => Greeting;
    public:   "/socket/without-session" => Echo { require_session: false };
    mobile:   "/socket/mobile"          => Greeting { require_page: false };
    optional: "/socket/optional"        => Greeting { require_session: false };
    any:      "/socket/any"             => Greeting { origins: any, cross_site: "a test" };
    open:     "/socket/open"            => Greeting { require_session: false, origins: any };
}

/// The routes, and a page, logon and logoff.
pub(crate) fn filter(ws: &Ws) -> WsFilter {
    let page = warp::path::end()
        .and(warp::get())
        .and(ws.page())
        .map(|visit: Visit, page: Page| visit.reply(page.id().to_owned()));
    let visit = warp::path!("visit").and(warp::get()).and(ws.session());
    let visit = visit.map(|visit: Visit| {
        let user = visit.user().unwrap_or("a visitor").to_owned();
        visit.reply(user)
    });
    let user = warp::path!("user").and(ws.current_session());
    let user = user.map(|session: Option<Session>| match session {
        None => "nobody".to_owned(),
        Some(session) => session.user().unwrap_or("a visitor").to_owned(),
    });
    let logon = warp::path!("logon" / String)
        .and(warp::post())
        .and(ws.session());
    let logon = logon.then(async |user: String, mut visit: Visit| {
        if let Err(error) = visit.logon(&user).await {
            return visit.refuse(error);
        }
        let secret = format!("the secret of {user}");
        match visit.session().insert("secret", &secret).await {
            Ok(()) => visit.reply("welcome"),
            Err(error) => visit.refuse(error),
        }
    });
    let logoff = warp::path!("logoff").and(warp::post()).and(ws.session());
    let logoff = logoff.and_then(async |mut visit: Visit| {
        visit.logoff().await.map_err(ws_server::reject)?;
        Ok::<_, warp::Rejection>(visit.reply("goodbye"))
    });
    let open = warp::path!("page").and(ws.open_page());
    let http = page.or(visit).or(user).or(logon).or(logoff).or(open);
    ws.filter().or(http).map(warp::Reply::into_response).boxed()
}

/// The site, on the server's own accept loop.
pub(crate) async fn running(
    configured: impl FnOnce(Server<ws_server::extract::NoState>) -> Server<ws_server::extract::NoState>,
) -> Running {
    let ws = configured(Server::new(Routes::table())).build().unwrap();
    let filter = filter(&ws);
    Running::serve(ws, filter).await
}
