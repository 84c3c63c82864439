//! Origins with wildcards, `null` and files, and the port that a proxy reports.

use ws_server::extract::NoState;
use ws_server::prelude::*;

use crate::running::Running;

struct Quiet;

#[ws_handler]
impl Quiet {
    fn init() -> Self {
        Quiet
    }
}

dispatch! {
    struct Public;

    open:  "/open"  => Quiet { require_session: false };
    files: "/files" => Quiet { require_session: false, origins: ["file://"] };
    maps:  "/maps"  => Quiet { require_session: false, origins: ["https://*.maps.example"] };
    meant: "/meant" => Quiet { origins: ["null"], cross_site: "a test" };
}

dispatch! {
    struct Private;

    open:    "/open"         => Quiet { require_session: false };
    account: "/account/{_id}" => Quiet;
}

async fn running(server: Server<NoState>) -> Running {
    Running::start(server.build().unwrap()).await
}

#[tokio::test]
async fn files_previews_and_sandboxed_pages_connect_if_they_are_listed() {
    let origins = ["file://", "null", "https://*.preview.example"];
    let listed = running(Server::new(Public::table()).origins(origins)).await;
    let plain = running(Server::new(Public::table())).await;
    let table = [
        ("/open", "file://", [101, 403]),
        ("/open", "null", [101, 403]),
        ("/open", "https://pr-7.preview.example", [101, 403]),
        ("/open", "https://preview.example", [403, 403]),
        ("/open", "https://a.b.preview.example", [403, 403]),
        ("/open", "http://example.com", [101, 101]),
        ("/files", "file://", [101, 101]),
        ("/files", "null", [403, 403]),
        ("/maps", "https://a.maps.example", [101, 101]),
        ("/maps", "https://pr-7.preview.example", [403, 403]),
        // The request has no page, and its cookies alone do not prove a session.
        ("/meant", "null", [403, 403]),
        ("/meant", "file://", [403, 403]),
    ];
    for (path, origin, expected) in table {
        let line = format!("Origin: {origin}");
        let found = [
            listed.status(path, &[&line]).await,
            plain.status(path, &[&line]).await,
        ];
        assert_eq!(found, expected, "{path} {origin}");
    }
}

#[tokio::test]
async fn the_port_of_a_trusted_proxy_counts_if_configured() {
    let server = || Server::new(Public::table()).trusted_proxies(["127.0.0.1"]);
    let ignoring = running(server()).await;
    let reading = running(server().forwarded_port()).await;
    let lines = ["X-Forwarded-Port: 8443", "Origin: https://example.com:8443"];
    assert_eq!(ignoring.status("/open", &lines).await, 403);
    assert_eq!(reading.status("/open", &lines).await, 101);
    let lines = ["X-Forwarded-Port: 8443", "Origin: https://example.com"];
    assert_eq!(ignoring.status("/open", &lines).await, 101);
    assert_eq!(reading.status("/open", &lines).await, 403);
}

#[test]
fn a_list_with_null_is_refused_if_a_route_trusts_cookies() {
    let error = Server::new(Private::table()).origins(["file://", "null"]);
    let error = error.build().unwrap_err().to_string();
    for part in [
        "\"null\"",
        "`account` (/account/{_id})",
        "cross_site",
        "require_session: false",
    ] {
        assert!(error.contains(part), "{error}");
    }
    Server::new(Private::table())
        .origins(["file://"])
        .build()
        .unwrap();
    Server::new(Public::table())
        .origins(["null"])
        .build()
        .unwrap();
}

#[test]
fn an_invalid_or_too_wide_origin_is_refused_with_the_reason() {
    for (origin, reason) in [
        ("https://*", "`*` alone would allow every host"),
        ("https://*.com", "every site of a top-level domain"),
        ("https://a.*.example", "must be the whole first label"),
        (
            "https://example.com/chat",
            "not an origin; write it as in `https://example.com`",
        ),
        ("file://x/", "not an origin"),
    ] {
        let server = Server::new(Public::table()).origins([origin]);
        let error = server.build().unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("`origins` has {origin:?}: ")),
            "{error}"
        );
        assert!(error.contains(reason), "{error}");
    }
}
