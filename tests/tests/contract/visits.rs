//! The HTTP side and the sockets of one server, in memory: connections use the cookies that HTTP
//! responses set, and a visit without a response is logged.

use tracing::Level;
use warp::{Filter, Reply};
use ws_server::prelude::*;
use ws_server::{Ws, WsFilter};
use ws_tests::Captured;

use crate::journal::secs;

/// Sends its user and whether it has a page.
struct Who;

#[ws_handler]
impl Who {
    fn init(session: Session, page: Option<Page>, socket: &Socket<Self>) -> Result<Self, Refusal> {
        let user = session.user().unwrap_or("a visitor");
        let page = page.map_or("no page", |_| "a page");
        let sent = socket.send(format!("{user}, {page}"));
        sent.map(|()| Who).or_refuse()
    }
}

dispatch! {
    struct Routes;

    custom: "/custom" => Who;
    mobile: "/mobile" => Who { require_page: false };
}

fn server() -> Ws {
    // There is no address, and no log line about that.
    Server::new(Routes::table())
        .peer_addr(|_| None)
        .build()
        .unwrap()
}

/// A page, logon and logoff, and handlers that drop their visit.
fn application(ws: &Ws) -> WsFilter {
    let page = warp::path::end()
        .and(ws.page())
        .map(|visit: Visit, page: Page| visit.reply(page.id().to_owned()));
    let logon = warp::path!("logon" / String)
        .and(warp::post())
        .and(ws.session());
    let logon = logon.then(
        async |user: String, mut visit: Visit| match visit.logon(user).await {
            Ok(()) => visit.reply("welcome"),
            Err(error) => visit.refuse(error),
        },
    );
    let forgetful = warp::path!("forgetful" / String).and(ws.page());
    let forgetful = forgetful.then(async |what: String, mut visit: Visit, _: Page| {
        match &*what {
            "logon" => visit.logon("ada").await.unwrap(),
            "logoff" => visit.logoff().await.unwrap(),
            "panic" => panic!("of the application"),
            _ => {}
        }
        "no response of the visit".into_response()
    });
    let refused = warp::path("late")
        .and(ws.session())
        .and(warp::path("never"));
    let refused = refused.map(|visit: Visit| visit.reply("never"));
    let http = page.or(logon).unify().or(forgetful).unify().or(refused);
    http.unify().recover(ws_server::recover).unify().boxed()
}

#[tokio::test(start_paused = true)]
async fn a_socket_has_the_user_of_a_logon_over_http() {
    for url in [None, Some("https://example.com")] {
        let mut server = Server::new(Routes::table());
        if let Some(url) = url {
            server = server.public_url(url);
        }
        let ws = server.build().unwrap();
        let (http, kit) = (application(&ws), ws.test_kit());
        let refused = kit.open("/custom").connect().await.unwrap_err();
        assert_eq!(refused.status(), 403);

        let page = warp::test::request().path("/").reply(&http).await;
        let builder = kit.open("/custom").cookies(page.headers());
        let mut client = builder.connect().await.unwrap();
        assert_eq!(client.text().await, "a visitor, a page");

        let logon = warp::test::request().method("POST").path("/logon/ada");
        let logon = logon.reply(&http).await;
        let builder = kit.open("/mobile").cookies(logon.headers());
        let mut user = builder.connect().await.unwrap();
        assert_eq!(user.text().await, "ada, no page");
        assert_eq!(ws.hub().connection_count(), 2);

        // Both share one hub: the application closes the sockets of the kit.
        assert_eq!(ws.hub().sessions().end_user("ada").await.unwrap(), 1);
        assert_eq!(user.closed().await.0, CloseCode::UNAUTHORIZED);
        let visitor = kit.user("bob").await;
        let builder = kit.open("/custom").visitor(&visitor);
        let mut client = builder.connect().await.unwrap();
        assert_eq!(client.text().await, "bob, a page");
    }
}

#[tokio::test(start_paused = true)]
async fn a_visit_without_a_response_is_logged_with_its_unsent_cookies() {
    let ws = server();
    let http = application(&ws);
    let table = [
        ("/forgetful/logon", "cookies=\"of a new session\""),
        (
            "/forgetful/logoff",
            "cookies=\"of the session, to be removed\"",
        ),
        ("/late/other", "cookies=\"of a new session\""),
    ];
    for (path, cookies) in table {
        let (captured, _guard) = Captured::begin();
        let response = warp::test::request().path(path).reply(&http).await;
        assert_eq!(response.headers().get("set-cookie"), None, "{path}");
        let lines = captured.of(Level::WARN);
        assert_eq!(lines.len(), 1, "{path}: {lines:?}");
        for part in ["a `Visit` was dropped without a response", cookies] {
            assert!(lines[0].contains(part), "{part} in {lines:?}");
        }
        tokio::time::advance(secs(10)).await;
    }
    // A visitor with a session gets a page whose visit is dropped.
    let page = warp::test::request().path("/").reply(&http).await;
    let set = page.headers().get_all("set-cookie").iter();
    let pairs = set.map(|cookie| cookie.to_str().unwrap().split(';').next().unwrap());
    let cookies: Vec<_> = pairs.collect();
    let again = warp::test::request().path("/forgetful/page");
    let again = again.header("cookie", cookies.join("; "));
    let (captured, _guard) = Captured::begin();
    again.reply(&http).await;
    let lines = captured.of(Level::WARN);
    assert!(lines[0].contains("cookies=\"of a new page\""), "{lines:?}");
}

#[tokio::test(start_paused = true)]
async fn the_log_of_visits_without_responses_is_throttled() {
    let ws = server();
    let http = application(&ws);
    let (captured, _guard) = Captured::begin();
    for _ in 0..50 {
        warp::test::request()
            .path("/forgetful/logon")
            .reply(&http)
            .await;
    }
    tokio::time::advance(secs(10)).await;
    warp::test::request()
        .path("/forgetful/logon")
        .reply(&http)
        .await;
    let lines = captured.of(Level::WARN);
    let counts: Vec<_> = lines
        .iter()
        .filter_map(|line| line.split("visits=").nth(1))
        .collect();
    assert_eq!(counts, ["1", "50"], "{lines:?}");
}

#[tokio::test(start_paused = true)]
async fn a_visit_with_a_response_or_with_nothing_to_set_is_not_logged() {
    let ws = server();
    let http = application(&ws);
    let (captured, _guard) = Captured::begin();
    let page = warp::test::request().path("/").reply(&http).await;
    assert_eq!(page.headers().get_all("set-cookie").iter().count(), 2);
    let logon = warp::test::request().method("POST").path("/logon/ada");
    logon.reply(&http).await;
    // Only the panic is logged, not its consequence.
    let panics = tokio::spawn(async move {
        warp::test::request()
            .path("/forgetful/panic")
            .reply(&http)
            .await
    });
    assert!(panics.await.unwrap_err().is_panic());
    assert_eq!(captured.of(Level::WARN), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn refusals_of_a_full_store_are_one_log_line_with_the_limit() {
    let limits = ws_server::limits::SessionLimits::DEFAULT.sessions(1);
    let ws = Server::new(Routes::table())
        .session_limits(limits)
        .peer_addr(|_| None)
        .build()
        .unwrap();
    let _user = ws.test_kit().user("ada").await;
    let http = application(&ws);
    let (captured, _guard) = Captured::begin();
    for _ in 0..50 {
        let response = warp::test::request().path("/").reply(&http).await;
        assert_eq!(response.status(), 503);
    }
    assert_eq!(captured.of(Level::ERROR), [""; 0]);
    let lines = captured.of(Level::WARN);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("SessionLimits::sessions"), "{lines:?}");
}
