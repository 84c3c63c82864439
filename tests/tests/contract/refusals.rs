//! A refusal names the missing requirement, and the log names the exceeded limit.

use std::time::Duration;

use tracing::Level;
use ws_core::limits::ServerLimits;
use ws_core::testkit::{TestKit, TestVisitor};
use ws_server::limits::{PageLimits, SessionLimits};
use ws_server::session::{SessionOptions, Sessions};
use ws_tests::Captured;

use crate::journal::secs;
use crate::quiet::{kit_with, routes_of};

const PAGE_LIFETIME: Duration = Duration::from_secs(60);

fn kit() -> TestKit {
    let limits = SessionLimits::DEFAULT.page_lifetime(PAGE_LIFETIME);
    let sessions = Sessions::new(SessionOptions::default().limits(limits));
    routes_of(TestKit::with_sessions(sessions))
}

/// The body of a 403 for a handshake with this target and these headers.
async fn forbidden(kit: &TestKit, path: &str, headers: &[(&str, &str)]) -> String {
    let (captured, _guard) = Captured::begin();
    let mut builder = kit.open(path);
    for (name, value) in headers {
        builder = builder.header(name, value);
    }
    let refusal = builder.connect().await.unwrap_err();
    assert_eq!(refusal.status(), 403);
    let (_, why) = refusal.text().split_once(": ").unwrap();
    let log = captured.of(Level::DEBUG).join("\n");
    assert!(log.contains(&format!("why={why}")), "{log}");
    for (_, value) in headers.iter().filter(|(name, _)| *name == "cookie") {
        let secrets = value.split(['=', ';', ' ']).filter(|part| part.len() > 20);
        for secret in secrets {
            assert!(!captured.text().contains(secret), "{log}");
        }
    }
    refusal.text().to_owned()
}

fn needs(what: &str, why: &str) -> String {
    format!("this endpoint requires a {what} of this site: {why}")
}

fn token(visitor: &TestVisitor) -> String {
    visitor.cookie().strip_prefix("z_sid=").unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn a_refusal_without_a_session_names_the_reason() {
    let kit = kit();
    let no_cookie = needs("session", "the request has no session cookie");
    assert_eq!(forbidden(&kit, "/session", &[]).await, no_cookie);
    assert_eq!(forbidden(&kit, "/page?z_pid=x", &[]).await, no_cookie);
    let ended = needs("session", "the session of its cookie has ended");
    let mut gone = kit.visitor().await;
    gone.logoff().await;
    let cookie = [("cookie", &*gone.cookie())];
    assert_eq!(forbidden(&kit, "/session", &cookie).await, ended);
    let mut renewed = kit.visitor().await;
    let before = renewed.cookie();
    renewed.logon("ada").await;
    assert_eq!(
        forbidden(&kit, "/session", &[("cookie", &before)]).await,
        needs("session", "a logon has replaced the session of its cookie")
    );
    let (one, other) = (kit.visitor().await, kit.visitor().await);
    let both = format!("{}; {}", one.cookie(), other.cookie());
    assert_eq!(
        forbidden(&kit, "/session", &[("cookie", &both)]).await,
        needs("session", "its session cookies name different sessions")
    );
    let five: Vec<_> = (0..5)
        .map(|n| format!("z_sid={n}{}", &token(&one)[1..]))
        .collect();
    assert_eq!(
        forbidden(&kit, "/session", &[("cookie", &five.join("; "))]).await,
        needs(
            "session",
            "the request has more than 4 different session cookies"
        )
    );
    let foreign = [("cookie", &*one.cookie()), ("origin", "https://other.test")];
    assert_eq!(
        forbidden(&kit, "/any", &foreign).await,
        needs(
            "session",
            "the request comes from a page of another site, and its query has no page id of the session"
        )
    );
}

#[tokio::test(start_paused = true)]
async fn a_refusal_without_a_page_names_the_reason() {
    let kit = kit();
    let (visitor, other) = (kit.visitor().await, kit.visitor().await);
    let cookie = visitor.cookie();
    let cookie = [("cookie", &*cookie)];
    assert_eq!(
        forbidden(&kit, "/page", &cookie).await,
        needs("page", "the request has a session, but no page id")
    );
    let page = visitor.page();
    let twice = format!("/page?z_pid={0}&z_pid={0}", page.id());
    assert_eq!(
        forbidden(&kit, &twice, &cookie).await,
        needs("page", "the query of the request has more than one page id")
    );
    let foreign = needs("page", "its page id was not issued to its session");
    for id in [other.page().id(), "made-up"] {
        let path = format!("/page?z_pid={id}");
        assert_eq!(forbidden(&kit, &path, &cookie).await, foreign);
    }
    tokio::time::advance(PAGE_LIFETIME).await;
    let path = format!("/page?z_pid={}", page.id());
    let old = needs("page", "its page is too old");
    assert_eq!(forbidden(&kit, &path, &cookie).await, old);
    // A page cookie that belongs to another session.
    let pair = format!("{}; z_pid={}", visitor.cookie(), other.page().id());
    assert_eq!(
        forbidden(&kit, "/page", &[("cookie", &pair)]).await,
        foreign
    );
}

#[tokio::test(start_paused = true)]
async fn several_session_cookies_are_logged_without_their_values() {
    let (kit, (captured, _guard)) = (kit(), Captured::begin());
    let (one, other) = (kit.visitor().await, kit.visitor().await);
    let both = format!("{}; {}", one.cookie(), other.cookie());
    for _ in 0..3 {
        let builder = kit.open("/session").header("cookie", &both);
        assert_eq!(builder.connect().await.unwrap_err().status(), 403);
    }
    let line = captured.only(Level::WARN);
    assert!(line.contains("requests=1"), "{line}");
    let log = captured.text();
    for secret in [token(&one), token(&other)] {
        assert!(!log.contains(&secret), "{log}");
    }
    // A stale cookie beside a valid one is harmless, in either order, and so is a duplicate.
    let sid = one.cookie();
    let stale = format!("z_sid={}", "A".repeat(43));
    for cookies in [
        format!("{sid}; {stale}"),
        format!("{stale}; {sid}"),
        format!("{sid}; {sid}"),
    ] {
        let builder = kit.open("/session").header("cookie", &cookies);
        builder.connect().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_server_is_logged_with_its_limit() {
    let kit = kit_with(&ServerLimits::DEFAULT.max_connections(Some(1)));
    let (captured, _guard) = Captured::begin();
    let _only = kit.open("/open").connect().await.unwrap();
    for refusals in [30, 1] {
        for _ in 0..refusals {
            let refusal = kit.open("/open").connect().await.unwrap_err();
            assert_eq!(refusal.status(), 503);
        }
        tokio::time::advance(secs(10)).await;
    }
    let lines = captured.of(Level::WARN);
    assert_eq!(lines.len(), 2, "{lines:?}");
    for (line, refused) in lines.iter().zip([1, 30]) {
        assert!(
            line.contains(&format!("limit=1 refused={refused}")),
            "{line}"
        );
        assert!(line.contains("`max_connections`"), "{line}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_with_too_many_pages_is_logged_with_its_limit() {
    let pages = PageLimits::DEFAULT.per_session(1);
    let kit = kit_with(&ServerLimits::DEFAULT.pages(pages));
    let (captured, _guard) = Captured::begin();
    let visitor = kit.visitor().await;
    let stream = || {
        kit.open("/stream?client=1")
            .header("sec-websocket-protocol", "page.v1")
    };
    let _only = stream().visitor(&visitor).connect().await.unwrap();
    for _ in 0..3 {
        let refusal = stream().visitor(&visitor).connect().await.unwrap_err();
        assert_eq!(refusal.status(), 429, "{}", refusal.text());
    }
    let line = captured.only(Level::WARN);
    assert!(line.contains("limit=1 refused=1"), "{line}");
    assert!(line.contains("PageLimits::per_session"), "{line}");
}

#[tokio::test(start_paused = true)]
async fn a_handshake_without_upgrade_headers_is_logged() {
    for header in ["upgrade", "connection"] {
        let (kit, (captured, _guard)) = (kit(), Captured::begin());
        for _ in 0..3 {
            let builder = kit.open("/open").without_header(header);
            let refusal = builder.connect().await.unwrap_err();
            let status = if header == "upgrade" { 426 } else { 400 };
            assert_eq!(refusal.status(), status);
        }
        let line = captured.only(Level::WARN);
        assert!(line.contains("a proxy may have removed"), "{line}");
    }
}
