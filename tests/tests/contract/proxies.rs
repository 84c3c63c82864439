//! Log lines for the operator of a server behind a proxy.

use tracing::Level;
use ws_core::limits::ServerLimits;
use ws_core::testkit::{TestClient, TestKit};
use ws_server::prelude::*;
use ws_tests::Captured;

use crate::journal::secs;
use crate::quiet::kit_with;

/// A server that allows one connection for each address.
fn kit() -> TestKit {
    kit_with(&ServerLimits::DEFAULT.per_address(Some(1)))
}

/// A handshake of this peer; `forwarded` is the client's address in `Forwarded`.
async fn open(kit: &TestKit, peer: &str, forwarded: Option<&str>) -> Result<TestClient, Refusal> {
    let mut builder = kit.open("/open").peer(peer.parse().unwrap());
    if let Some(client) = forwarded {
        builder = builder.header("x-forwarded-for", client);
    }
    builder.connect().await
}

/// The lines at `warn` of this many refused handshakes, while the only permit is taken.
async fn hints(kit: &TestKit, peer: &str, forwarded: Option<&str>, refused: u32) -> Vec<String> {
    let (captured, _guard) = Captured::begin();
    let _client = open(kit, peer, forwarded).await.unwrap();
    for _ in 0..refused {
        let refused = open(kit, peer, forwarded).await;
        assert_eq!(refused.unwrap_err().status(), 429);
    }
    captured.of(Level::WARN)
}

#[tokio::test(start_paused = true)]
async fn a_private_address_at_its_limit_is_logged_as_a_possible_proxy() {
    for (peer, shown) in [
        ("127.0.0.1:9", "127.0.0.1"),
        ("[::ffff:172.16.0.9]:9", "172.16.0.9"),
        ("100.64.0.1:9", "100.64.0.1"),
        ("[fd00::9]:9", "fd00::9"),
    ] {
        let lines = hints(&kit(), peer, None, 1).await;
        let [line] = &lines[..] else {
            panic!("{peer}: {lines:?}");
        };
        assert!(
            line.contains(&format!("address={shown} refused=1")),
            "{line}"
        );
        assert!(line.contains("add it to `trusted_proxies`"), "{line}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_proxy_hint_is_logged_at_most_every_ten_seconds_per_server() {
    let kit = kit();
    let mut lines = Vec::new();
    for address in ["10.0.0.1:9", "10.0.0.2:9", "10.0.0.3:9"] {
        lines.extend(hints(&kit, address, None, 60).await);
        tokio::time::advance(secs(5)).await;
    }
    let counts: Vec<_> = lines
        .iter()
        .map(|line| line.split("refused=").nth(1).unwrap_or_default())
        .collect();
    assert_eq!(counts, ["1", "120"], "{lines:?}");
}

/// Checks the only line at `warn`, for an address that is not that of an unknown proxy.
fn names_the_limit(lines: &[String], address: &str) {
    let [line] = lines else {
        panic!("{address}: {lines:?}");
    };
    let fields = format!("address={address} refused=1 limit=1");
    assert!(line.contains(&fields), "{line}");
    assert!(line.contains("the limit `per_address`"), "{line}");
    assert!(!line.contains("trusted_proxies"), "{line}");
}

#[tokio::test(start_paused = true)]
async fn an_address_at_its_limit_is_logged_with_the_limit() {
    for (peer, shown) in [
        ("192.0.2.1:9", "192.0.2.1"),
        ("[2001:db8::1]:9", "2001:db8::1"),
    ] {
        names_the_limit(&hints(&kit(), peer, None, 2).await, shown);
    }
    let trusting = || kit().trusted_proxies(["10.0.0.0/8"]);
    // A client of a trusted proxy is not a proxy itself.
    for client in ["192.0.2.1", "192.168.0.1"] {
        let lines = hints(&trusting(), "10.0.0.1:9", Some(client), 2).await;
        names_the_limit(&lines, client);
    }
    // If a proxy does not report its clients, they all count as the proxy's own address.
    for forwarded in [None, Some("unknown")] {
        let lines = hints(&trusting(), "10.0.0.1:9", forwarded, 2).await;
        assert_eq!(lines.len(), 1, "{forwarded:?} {lines:?}");
        for part in ["let it send `Forwarded`", "this trusted proxy", "limit=1"] {
            assert!(lines[0].contains(part), "{part} in {lines:?}");
        }
        assert!(!lines[0].contains("trusted_proxies"), "{lines:?}");
    }
    // The header of an untrusted peer changes nothing.
    let lines = hints(&trusting(), "192.168.0.1:9", Some("192.0.2.1"), 1).await;
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("trusted_proxies"), "{lines:?}");
}

/// The log lines for a handshake with these headers from a trusted proxy.
async fn logged(level: Level, status: u16, headers: &[(&str, &str)]) -> String {
    let (captured, _guard) = Captured::begin();
    let kit = kit().trusted_proxies(["10.0.0.1"]);
    let mut builder = kit.open("/open").peer("10.0.0.1:9".parse().unwrap());
    for (name, value) in headers {
        builder = builder.header(name, value);
    }
    let connected = builder.connect().await;
    let found = connected.map_or_else(|refusal| refusal.status().as_u16(), |_| 101);
    assert_eq!(found, status, "{headers:?}");
    captured.of(level).join("\n")
}

#[tokio::test(start_paused = true)]
async fn a_refused_origin_is_logged_with_the_servers_own_and_every_remedy() {
    let origin = ("origin", "http://shop.test");
    let refused = |more: Vec<_>| async move {
        let headers = [vec![origin], more].concat();
        let line = logged(Level::WARN, 403, &headers).await;
        for remedy in [
            "the option `origins` of the route",
            "`origins`",
            "`public_url`",
            "`trusted_proxies`",
        ] {
            assert!(line.contains(remedy), "{remedy} in {line}");
        }
        line
    };
    let line = refused(vec![]).await;
    assert!(
        line.contains("route=\"open\" origin=\"http://shop.test\" own=\"localhost\""),
        "{line}"
    );
    let host = ("x-forwarded-host", "shop.test:8443");
    let line = refused(vec![host]).await;
    assert!(line.contains("own=\"shop.test:8443\""), "{line}");
    let line = refused(vec![host, ("x-forwarded-proto", "https")]).await;
    assert!(line.contains("own=\"https://shop.test:8443\""), "{line}");
    let long = format!("{}.test", "x".repeat(200));
    let line = refused(vec![("x-forwarded-host", &long)]).await;
    assert!(
        line.contains(&"x".repeat(120)) && !line.contains(&"x".repeat(121)),
        "{line}"
    );
}

#[tokio::test(start_paused = true)]
async fn contradicting_headers_are_logged_without_their_values() {
    let both = [
        ("forwarded", "for=203.0.113.9;host=secret.test"),
        ("x-forwarded-for", "192.0.2.7"),
    ];
    let text = "name different clients, and neither counts";
    let lines = logged(Level::WARN, 101, &both).await;
    assert_eq!(lines.matches(text).count(), 1, "{lines}");
    let all = logged(Level::TRACE, 101, &both).await + &lines;
    for value in ["203.0.113.9", "192.0.2.7", "secret"] {
        assert!(!all.contains(value), "{all}");
    }
    let one = logged(Level::WARN, 101, &both[1..]).await;
    assert!(!one.contains(text), "{one}");
}

#[tokio::test(start_paused = true)]
async fn a_malformed_forwarded_is_logged_with_its_proxy_and_without_its_value() {
    let wrong = ("forwarded", "for=203.0.113.9;\", host=secret.test");
    let line = logged(Level::WARN, 400, &[wrong]).await;
    for part in [
        "10.0.0.1:9",
        "a pair has no `=`",
        "refused=1",
        "let the proxy replace",
    ] {
        assert!(line.contains(part), "{part} in {line}");
    }
    let all = logged(Level::TRACE, 400, &[wrong]).await + &line;
    for value in ["203.0.113.9", "secret"] {
        assert!(!all.contains(value), "{all}");
    }
}
