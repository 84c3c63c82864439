//! Sessions and handshakes: the table of the statuses that this library promises, checked from
//! outside.

use std::time::Duration;

use ws_server::limits::SessionLimits;

use crate::browser::Browser;
use crate::client::{Client, until, upgrade, within};
use crate::handshake::HOST;
use crate::running::Running;
use crate::site::running;

/// A browser that has opened the page, and the page's id.
async fn visitor(server: &Running) -> (Browser, String) {
    let mut browser = Browser::new(server.address);
    let page = browser.get("/").await;
    (browser, page)
}

/// Name, path, `z_sid`, `z_pid` and status of a request that is otherwise a correct handshake.
/// `MINE` is replaced with the value of the visitor, `THEIRS` with that of another visitor.
type Row = (&'static str, &'static str, &'static str, &'static str, u16);

const CUSTOM: &str = "/socket/custom";
const MOBILE: &str = "/socket/mobile";

#[rustfmt::skip]
const ROWS: &[Row] = &[
    ("nothing",                             CUSTOM,                         "",        "",       403),
    ("no z_sid",                            CUSTOM,                         "",        "MINE",   403),
    ("an unknown z_sid",                    CUSTOM,                         "UNKNOWN", "MINE",   403),
    ("an ended z_sid",                      CUSTOM,                         "ENDED",   "ENDED",  403),
    ("no z_pid",                            CUSTOM,                         "MINE",    "",       403),
    ("a z_pid of another session",          CUSTOM,                         "MINE",    "THEIRS", 403),
    ("a z_pid that was not issued",          CUSTOM,                         "MINE",    "UNKNOWN", 403),
    ("a z_pid and another's z_sid",         CUSTOM,                         "THEIRS",  "MINE",   403),
    ("a valid pair of cookies",             CUSTOM,                         "MINE",    "MINE",   101),
    ("the page in the query",               "/socket/custom?z_pid=MINE",    "MINE",    "",       101),
    ("the query before a wrong cookie",     "/socket/custom?z_pid=MINE",    "MINE",    "THEIRS", 101),
    ("a wrong query before a right cookie", "/socket/custom?z_pid=THEIRS",  "MINE",    "MINE",   403),
    ("an empty query",                      "/socket/custom?z_pid=",        "MINE",    "MINE",   403),
    ("the page twice",            "/socket/custom?z_pid=MINE&z_pid=MINE",   "MINE",    "MINE",   403),
    ("the session in the query",            "/socket/custom?z_sid=SESSION", "",        "MINE",   403),
    ("no page where none is required",      MOBILE,                         "MINE",    "",       101),
    ("no session where one is required",    MOBILE,                         "",        "MINE",   403),
    ("an unknown session there",            MOBILE,                         "UNKNOWN", "",       403),
    ("nothing where nothing is required",   "/socket/without-session",      "",        "",       101),
];

#[tokio::test]
async fn a_route_that_requires_a_session_accepts_a_live_session_and_its_page() {
    let server = running(|server| server).await;
    let (mine, my_page) = visitor(&server).await;
    let (theirs, their_page) = visitor(&server).await;
    let (mut ended, ended_page) = visitor(&server).await;
    let ended_sid = ended.cookie("z_sid").to_owned();
    ended.post("/logoff").await;
    let unknown = "A".repeat(43);
    let sid = |name| match name {
        "MINE" => mine.cookie("z_sid").to_owned(),
        "THEIRS" => theirs.cookie("z_sid").to_owned(),
        "ENDED" => ended_sid.clone(),
        _ => unknown.clone(),
    };
    let pid = |name| match name {
        "MINE" => my_page.clone(),
        "THEIRS" => their_page.clone(),
        "ENDED" => ended_page.clone(),
        _ => "B".repeat(my_page.len()),
    };
    for (name, path, session, page, status) in ROWS {
        let mut browser = Browser::new(server.address);
        if !session.is_empty() {
            browser.cookies.insert("z_sid".to_owned(), sid(session));
        }
        if !page.is_empty() {
            browser.cookies.insert("z_pid".to_owned(), pid(page));
        }
        let path = path
            .replace("MINE", &my_page)
            .replace("THEIRS", &their_page);
        let path = path.replace("SESSION", mine.cookie("z_sid"));
        assert_eq!(browser.status(&path).await, *status, "{name}");
    }
}

#[tokio::test]
async fn the_first_failed_check_decides_the_status() {
    let server = running(|server| server.max_connections(1)).await;
    let (browser, page) = visitor(&server).await;
    let path = format!("/socket/custom?z_pid={page}");
    let cookie = browser.cookie_line().unwrap();
    let only = browser.open(&path).await;
    // Everything is wrong at first; each request fixes one more step.
    let ask = async |method: &str, lines: &[&str]| {
        let lines = lines.join("\r\n");
        let request = format!("{method} {path} HTTP/1.1\r\n{HOST}\r\n{lines}\r\n\r\n");
        Client::ask(server.address, &request).await.0.status
    };
    let upgrade = ["Connection: Upgrade", "Upgrade: websocket"];
    let version = "Sec-WebSocket-Version: 13";
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
    let evil = "Origin: http://evil.example";
    let own = "Origin: http://example.com";
    let protocol = "Sec-WebSocket-Protocol: a b";
    let cookie = &*cookie;
    let [connection, upgrade] = upgrade;
    assert_eq!(ask("POST", &[upgrade, evil, protocol]).await, 405);
    assert_eq!(ask("GET", &[upgrade, evil, protocol]).await, 400);
    assert_eq!(
        ask("GET", &[upgrade, connection, evil, protocol]).await,
        426
    );
    assert_eq!(
        ask("GET", &[upgrade, connection, version, evil, protocol]).await,
        400
    );
    let right = [upgrade, connection, version, key];
    let with = |more: &[&'static str]| [&right[..], more].concat();
    assert_eq!(ask("GET", &with(&[evil, protocol])).await, 403);
    assert_eq!(ask("GET", &with(&[own, protocol])).await, 403);
    let known = [&with(&[own, protocol])[..], &[cookie]].concat();
    assert_eq!(ask("GET", &known).await, 503);
    drop(only);
    let hub = server.ws.hub();
    until("the place is free", || hub.connection_count() == 0).await;
    assert_eq!(ask("GET", &known).await, 400);
    let all = [&with(&[own])[..], &[cookie]].concat();
    assert_eq!(ask("GET", &all).await, 101);
    until("the place is free", || hub.connection_count() == 0).await;
    // A plain GET of the same URL gets the reason, in the same order.
    assert_eq!(ask("GET", &[evil, cookie]).await, 403);
    assert_eq!(ask("GET", &[own]).await, 403);
    assert_eq!(ask("GET", &[own, cookie]).await, 426);
}

#[tokio::test]
async fn a_thousand_handshakes_without_cookies_create_no_session() {
    let server = running(|server| server.per_address(None)).await;
    let sessions = server.ws.hub().sessions().clone();
    let (_browser, _) = visitor(&server).await;
    assert_eq!(sessions.count().await.unwrap(), 1);
    let nobody = Browser::new(server.address);
    for path in ["/socket/without-session", "/socket/optional"] {
        for _ in 0..500 {
            let mut client = Client::connect(server.address).await;
            client.send(nobody.handshake(path)).await;
            let head = client.head().await;
            assert_eq!((head.status, head.all("set-cookie").len()), (101, 0));
        }
    }
    assert_eq!(sessions.count().await.unwrap(), 1);
}

#[tokio::test]
async fn a_handler_gets_the_visitor_on_a_route_without_requirements() {
    let server = running(|server| server).await;
    let (mut browser, page) = visitor(&server).await;
    let mut client = browser.open("/socket/optional").await;
    assert_eq!(client.text().await, "a visitor");
    browser.post("/logon/ada").await;
    let mut client = browser.open("/socket/optional").await;
    assert_eq!(client.text().await, "ada");
    let mut client = browser.open(&format!("/socket/custom?z_pid={page}")).await;
    assert_eq!(client.text().await, "ada");
    let mut client = Browser::new(server.address).open("/socket/optional").await;
    assert_eq!(client.text().await, "nobody");
}

#[tokio::test]
async fn a_logon_renews_the_cookie_and_open_sockets_survive() {
    let server = running(|server| server).await;
    let (mut browser, page) = visitor(&server).await;
    let path = format!("/socket/custom?z_pid={page}");
    let before = browser.clone();
    let mut open = before.open(&path).await;
    assert_eq!(open.text().await, "a visitor");
    browser.post("/logon/ada").await;
    assert_ne!(browser.cookie("z_sid"), before.cookie("z_sid"));
    assert_eq!(before.status(&path).await, 403);
    open.send_text("still").await;
    assert_eq!(open.text().await, "still: a visitor None None");
    // The same page reconnects, under the new id.
    let mut again = browser.open(&path).await;
    assert_eq!(again.text().await, "ada");
    browser.post("/logoff").await;
    for mut client in [open, again] {
        let closed = client.close_frame().await;
        assert_eq!(closed, (4401, "the session has ended".to_owned()));
    }
    assert_eq!(browser.status(&path).await, 403);
}

/// An attacker who planted a session gets no data of the user who logs on with it.
#[tokio::test]
async fn a_planted_session_gets_no_data_of_the_victim() {
    let server = running(|server| server).await;
    let (attacker, planted_page) = visitor(&server).await;
    let path = format!("/socket/custom?z_pid={planted_page}");
    let mut socket = attacker.open(&path).await;
    assert_eq!(socket.text().await, "a visitor");
    // The victim's browser has the attacker's cookie, and logs on with it.
    let mut victim = Browser::new(server.address);
    victim
        .cookies
        .insert("z_sid".to_owned(), attacker.cookie("z_sid").to_owned());
    let page = victim.get("/").await;
    assert_eq!(victim.cookie("z_sid"), attacker.cookie("z_sid"));
    victim.post("/logon/victim").await;
    let mut own = victim.open(&format!("/socket/custom?z_pid={page}")).await;
    assert_eq!(own.text().await, "victim");
    own.send_text("mine").await;
    assert_eq!(
        own.text().await,
        "mine: victim Some(\"victim\") Some(\"the secret of victim\")"
    );
    // Neither the open socket nor the cookie reveals the user.
    socket.send_text("theirs").await;
    assert_eq!(socket.text().await, "theirs: a visitor None None");
    assert_eq!(attacker.status(&path).await, 403);
    assert_eq!(attacker.status("/socket/mobile").await, 403);
    let mut anonymous = attacker.clone();
    assert_eq!(anonymous.get("/user").await, "nobody");
    let stolen = attacker
        .status(&format!("/socket/custom?z_pid={page}"))
        .await;
    assert_eq!(stolen, 403);
    // The end of the victim's session also closes the attacker's socket.
    victim.post("/logoff").await;
    assert_eq!(socket.close_frame().await.0, 4401);
}

#[tokio::test]
async fn an_expired_session_is_refused_with_403() {
    let limits = SessionLimits::DEFAULT.idle(Duration::from_millis(300));
    let server = running(|server| server.session_limits(limits)).await;
    let (browser, page) = visitor(&server).await;
    let path = format!("/socket/custom?z_pid={page}");
    // From here on, the session lasts 300 ms, or as long as the socket is open.
    drop(browser.open(&path).await);
    let sessions = server.ws.hub().sessions().clone();
    within("it runs out", async {
        while sessions.count().await.unwrap() > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    assert_eq!(browser.status(&path).await, 403);
}

/// An attacker who planted the session has a page from before the logon.
#[tokio::test]
async fn a_planted_page_does_not_admit_other_sites() {
    let server = running(|server| server).await;
    let (mut browser, planted) = visitor(&server).await;
    browser.post("/logon/ada").await;
    let own = browser.get("/").await;
    browser.lines = vec!["Origin: http://evil.example".to_owned()];
    let any = |page: &str| format!("/socket/any?z_pid={page}");
    assert_eq!(browser.status(&any(&own)).await, 101);
    assert_eq!(browser.status(&any(&planted)).await, 403);
    let open = format!("/socket/open?z_pid={planted}");
    assert_eq!(browser.open(&open).await.text().await, "nobody");
    // From the site itself, the page is still valid.
    browser.lines.clear();
    assert_eq!(browser.status(&any(&planted)).await, 101);
}

/// If only `origins: any` allows a connection, it is anonymous unless its query has a page id.
#[tokio::test]
async fn cookies_from_a_foreign_site_do_not_authenticate() {
    let server = running(|server| server).await;
    let (mut browser, _) = visitor(&server).await;
    browser.post("/logon/ada").await;
    let page = browser.get("/").await;
    let in_query = |path: &str| format!("{path}?z_pid={page}");
    for (origin, cookies_alone) in [("http://evil.example", false), ("http://example.com", true)] {
        browser.lines = vec![format!("Origin: {origin}")];
        let status = if cookies_alone { 101 } else { 403 };
        assert_eq!(browser.status("/socket/any").await, status, "{origin}");
        assert_eq!(
            browser.status(&in_query("/socket/any")).await,
            101,
            "{origin}"
        );
        let mut client = browser.open("/socket/open").await;
        let expected = if cookies_alone { "ada" } else { "nobody" };
        assert_eq!(client.text().await, expected, "{origin}");
        let mut client = browser.open(&in_query("/socket/open")).await;
        assert_eq!(client.text().await, "ada", "{origin}");
    }
    browser.lines = vec!["Origin: http://evil.example".to_owned()];
    assert_eq!(browser.status(&in_query("/socket/custom")).await, 403);
    let request = upgrade(
        "/socket/open?z_pid=wrong",
        &[&browser.cookie_line().unwrap(), "Origin: null"],
    );
    let mut client = Client::connect(server.address).await;
    client.send(request).await;
    assert_eq!(client.head().await.status, 101);
    assert_eq!(client.text().await, "nobody");
}
