//! Steps 1 and 2.

use super::*;

#[test]
fn a_valid_handshake_gets_the_response_of_the_rfc() {
    let entry = Case::default().admit(&[]).unwrap();
    let response = entry.accept.response(entry.protocol, entry.deflate);
    assert_eq!(response.status(), 101);
    assert_eq!(response.headers()["connection"], "Upgrade");
    assert_eq!(response.headers()["upgrade"], "websocket");
    assert_eq!(
        response.headers()["sec-websocket-accept"],
        "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    );
    assert!(!response.headers().contains_key("sec-websocket-protocol"));
}

#[test]
fn compression_is_negotiated_if_the_route_enables_it() {
    let header = "sec-websocket-extensions";
    let offer = (header, "foo, permessage-deflate; server_max_window_bits=12");
    let accepted = |deflate, offer: (&'static str, &str)| {
        let case = Case {
            access: RouteAccess { deflate, ..OPEN },
            ..Case::default()
        };
        let entry = case.admit(&[offer]).unwrap();
        let response = entry.accept.response(entry.protocol, entry.deflate);
        let accepted = response.headers().get(header);
        accepted.map(|accepted| accepted.to_str().unwrap().to_owned())
    };
    let agreed = "permessage-deflate; server_no_context_takeover; client_no_context_takeover; \
                  server_max_window_bits=12";
    assert_eq!(accepted(true, offer).as_deref(), Some(agreed));
    assert_eq!(accepted(false, offer), None);
    assert_eq!(accepted(true, (header, "permessage-deflate; x")), None);
    assert_eq!(accepted(true, ("x-other", "permessage-deflate")), None);
}

#[test]
fn step_1_passes_on_unknown_paths_and_refuses_malformed_ones() {
    assert!(route(Lookup::Missing).is_none());
    let refusal = route(Lookup::Malformed).map(|found| found.map(|_| ()).unwrap_err());
    assert_eq!(refusal.map(|refusal| refusal.status().as_u16()), Some(400));
}

#[test]
fn step_2_has_a_status_for_every_malformed_request() {
    let table: &[(&[(&'static str, &str)], u16)] = &[
        (&[("upgrade", "WebSocket"), ("connection", "uPGRADE")], 101),
        (&[("connection", "keep-alive, Upgrade")], 101),
        (
            &[("connection", "keep-alive"), ("+connection", "upgrade")],
            101,
        ),
        (&[("upgrade", "h2c,, websocket")], 101),
        (&[("content-length", "0")], 101),
        (&[("content-length", "5")], 400),
        (&[("content-length", "0"), ("+content-length", "5")], 400),
        (&[("content-length", "0x0")], 400),
        (&[("transfer-encoding", "chunked")], 400),
        (&[("-upgrade", "")], 426),
        (&[("upgrade", "h2c")], 426),
        (&[("upgrade", "websockets")], 426),
        (&[("-connection", "")], 400),
        (&[("connection", "keep-alive")], 400),
        (&[("connection", "not-upgrade")], 400),
        (&[("connection", "")], 400),
        (&[("-sec-websocket-version", "")], 426),
        (&[("sec-websocket-version", "8")], 426),
        (&[("sec-websocket-version", "13, 8")], 426),
        (&[("sec-websocket-version", "013")], 426),
        (&[("sec-websocket-version", "\u{e9}")], 426),
        (&[("+sec-websocket-version", "13")], 400),
        (&[("-sec-websocket-key", "")], 400),
        (&[("sec-websocket-key", "")], 400),
        (&[("sec-websocket-key", "c2hvcnQ=")], 400),
        (&[("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ")], 400),
        (&[("sec-websocket-key", "!!!!!!!!!!!!!!!!!!!!!!==")], 400),
        (&[("sec-websocket-key", "\u{1f980}")], 400),
        (&[("+sec-websocket-key", KEY)], 400),
    ];
    for (changes, expected) in table {
        assert_eq!(status(changes), *expected, "{changes:?}");
    }
}

#[test]
fn other_methods_get_405_with_the_allowed_one() {
    for method in ["POST", "HEAD", "OPTIONS", "CONNECT", "PUT", "get", "BREW"] {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let refusal = Case {
            method,
            ..Case::default()
        }
        .admit(&[])
        .unwrap_err();
        let response = refusal.into_response();
        assert_eq!(response.status(), 405);
        assert_eq!(response.headers()["allow"], "GET");
    }
}

#[test]
fn a_page_stream_allows_post_if_the_server_carries_streams_over_http() {
    for (page_stream, page_posts, expected) in [
        (true, true, "GET, POST"),
        (true, false, "GET"),
        (false, true, "GET"),
    ] {
        let case = Case {
            method: Method::PUT,
            access: RouteAccess {
                page_stream,
                ..OPEN
            },
            policy: AdmissionPolicy {
                page_posts,
                ..AdmissionPolicy::default()
            },
            ..Case::default()
        };
        let response = case.admit(&[]).unwrap_err().into_response();
        assert_eq!(response.status(), 405);
        assert_eq!(response.headers()["allow"], expected);
    }
}

#[test]
fn the_response_to_a_plain_get_explains_the_endpoint() {
    let response = Case::default()
        .admit(&[("-upgrade", "")])
        .unwrap_err()
        .into_response();
    assert_eq!(response.status(), 426);
    assert_eq!(response.headers()["sec-websocket-version"], "13");
    assert_eq!(response.headers()["upgrade"], "websocket");
    assert!(
        response.body().starts_with("This is a WebSocket endpoint"),
        "{}",
        response.body()
    );
}

#[test]
fn the_response_to_a_handshake_without_upgrade_names_the_proxy() {
    let nginx = "`proxy_set_header Upgrade $http_upgrade`";
    for changes in [
        &[("-upgrade", "")][..],
        &[("-upgrade", ""), ("-connection", "")],
        &[("-upgrade", ""), ("-sec-websocket-version", "")],
        &[("-upgrade", ""), ("-sec-websocket-key", "")],
        &[("upgrade", "h2c")],
    ] {
        let refusal = Case::default().admit(changes).unwrap_err();
        assert_eq!(refusal.status(), 426, "{changes:?}");
        let text = refusal.text();
        assert!(
            text.contains("a proxy has removed it") && text.contains(nginx),
            "{text}"
        );
    }
    // A plain GET gets no text about proxies.
    let plain = [
        ("-upgrade", ""),
        ("-connection", ""),
        ("-sec-websocket-version", ""),
        ("-sec-websocket-key", ""),
    ];
    let refusal = Case::default().admit(&plain).unwrap_err();
    assert_eq!(refusal.status(), 426);
    assert!(!refusal.text().contains("proxy"), "{}", refusal.text());
    let refusal = Case::default()
        .admit(&[("connection", "close")])
        .unwrap_err();
    assert_eq!(refusal.status(), 400);
    assert!(
        refusal.text().contains("let the proxy send"),
        "{}",
        refusal.text()
    );
}

#[test]
fn http_that_cannot_be_upgraded_gets_426() {
    let old = Case {
        version: Some(Version::HTTP_10),
        ..Case::default()
    };
    assert_eq!(old.status(&[]), 426);
    let http2 = Case {
        version: Some(Version::HTTP_2),
        ..Case::default()
    };
    assert_eq!(http2.status(&[]), 426);
    let fixed = Case {
        version: None,
        over_tls: false,
        can_upgrade: false,
        ..Case::default()
    };
    let refusal = fixed.admit(&[]).unwrap_err();
    assert_eq!(refusal.status(), 426);
    assert!(refusal.text().contains("HTTP/1.1"), "{}", refusal.text());
}
