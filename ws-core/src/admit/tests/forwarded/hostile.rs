//! Lists that are malformed or endless, or that a client begins to impersonate another.

use proptest::prelude::*;

use super::*;

#[test]
fn a_malformed_forwarded_of_a_trusted_proxy_is_refused() {
    use ForwardedError as E;
    for (wrong, error) in [
        // The client wrote up to the first quote, and the proxy added the rest.
        ("for=127.0.0.1;\", for=203.0.113.9", E::NoEquals),
        ("for=127.0.0.1;x=\", for=203.0.113.9", E::UnfinishedQuote),
        ("for=192.0.2.7;for=192.0.2.8", E::Repeated),
        ("for=192.0.2.7;proto=https;proto=http", E::Repeated),
        ("for=192.0.2.7;proto", E::NoEquals),
        ("for=;proto=https", E::Value),
        ("for=\"192.0.2.7;proto=https", E::UnfinishedQuote),
        ("for=\"192.0.2.7\"x;proto=https", E::AfterQuote),
        ("for=\"192.0.2.7\\", E::UnfinishedQuote),
        ("for=192.0.2.7 proto=https", E::Value),
        ("for=192.0.2.7;x=a\"b\"", E::Value),
        ("for = 192.0.2.7;proto=https", E::Name),
        ("192.0.2.7", E::NoEquals),
        ("=", E::Name),
        (";=;", E::Name),
        ("\"", E::NoEquals),
        ("\u{e4}", E::NoEquals),
        ("for=192.0.2.7;host=\u{e4}.example", E::Value),
    ] {
        let right = "for=203.0.113.9;proto=http";
        let values: [&[(&str, &str)]; 4] = [
            &[(FORWARDED, wrong)],
            &[(FORWARDED, &format!("{wrong}, {right}"))],
            &[(FORWARDED, wrong), (FORWARDED, right)],
            &[(FORWARDED, right), (FORWARDED, wrong), (FOR, "192.0.2.7")],
        ];
        for values in values {
            assert_eq!(read(PROXY, values), Err(error), "{values:?}");
            // From any other peer the header is ignored.
            let other = read("192.0.2.1:9", values).unwrap();
            assert_eq!(other.peer, "192.0.2.1:9".parse().ok());
        }
        assert_eq!(read(PROXY, values[0]), Err(error), "{wrong:?}");
        let case = Case {
            peer: PROXY.parse().ok(),
            policy: policy(),
            ..Case::default()
        };
        let refusal = case.admit(&[(FORWARDED, wrong)]).unwrap_err();
        assert_eq!(refusal.status(), 400);
        let text = format!("the header `Forwarded` is malformed: {error}");
        assert_eq!(refusal.text(), text);
    }
}

#[test]
fn unquoted_values_may_contain_non_token_characters() {
    for (value, expected) in [
        (
            "for=192.0.2.7;host=a.example:8080",
            "192.0.2.7:0 ? a.example:8080",
        ),
        (
            "for=[2001:db8::1]:80;proto=https",
            "[2001:db8::1]:80 https ?",
        ),
        ("for=192.0.2.7:80;by=/unix@x", "192.0.2.7:80 ? ?"),
        ("for=192.0.2.7;x=a=b", "192.0.2.7:0 ? ?"),
    ] {
        assert_eq!(seen(&[(FORWARDED, value)]), expected, "{value:?}");
    }
}

#[test]
fn only_the_last_64_elements_of_a_list_are_read() {
    let list = |element: &str, count: usize| vec![element; count].join(",");
    let proxies = |count| list("10.0.0.2", count);
    assert_eq!(
        address(&[(FOR, &format!("192.0.2.7,{}", proxies(63)))]),
        "192.0.2.7:0"
    );
    assert_eq!(
        address(&[(FOR, &format!("192.0.2.7,{}", proxies(64)))]),
        "10.0.0.2:0"
    );
    let proxies = |count| list("for=10.0.0.2", count);
    let forwarded = |count| format!("for=192.0.2.7,{}", proxies(count));
    assert_eq!(address(&[(FORWARDED, &forwarded(63))]), "192.0.2.7:0");
    assert_eq!(address(&[(FORWARDED, &forwarded(64))]), "10.0.0.2:0");
    assert_eq!(
        address(&[(FORWARDED, "for=192.0.2.7"), (FORWARDED, &proxies(64))]),
        "10.0.0.2:0"
    );
    for (name, real) in [(FOR, "192.0.2.7"), (FORWARDED, "for=192.0.2.7")] {
        for hostile in ["", "10.0.0.2", "for=10.0.0.2", "\"", "=", ";", "for=\"\\"] {
            let long = list(hostile, 10_000);
            let result = read(PROXY, &[(name, &long), (name, real)]);
            let is_malformed = name == FORWARDED && !matches!(hostile, "" | ";" | "for=10.0.0.2");
            let expected = (!is_malformed).then_some("192.0.2.7:0".parse().unwrap());
            let found = result.ok().and_then(|client| client.peer);
            assert_eq!(found, expected, "{name} {hostile:?}");
        }
    }
}

#[test]
fn bytes_that_are_not_utf8_are_not_an_address() {
    let client = |values: &[(&'static str, &[u8])]| {
        let headers = lines(values.iter().copied());
        policy().client(PROXY.parse().ok(), &headers)
    };
    for (name, value) in [
        (FOR, &b"203.0.113.9, \xff\xfe"[..]),
        (FORWARDED, b"for=203.0.113.9, for=\"\xff\""),
    ] {
        let client = client(&[(name, value)]).unwrap();
        assert_eq!(client.peer, PROXY.parse().ok(), "{value:?}");
    }
    let malformed = client(&[(FORWARDED, b"for=203.0.113.9, for=\xff")]);
    assert_eq!(malformed, Err(ForwardedError::Value));
    // In values that are not read, quoted bytes do not matter.
    let other = client(&[(FORWARDED, b"for=192.0.2.7;ext=\"\xff\"")]).unwrap();
    assert_eq!(other.peer, "192.0.2.7:0".parse().ok());
    let other = client(&[(FOR, b"192.0.2.7"), (PROTO, b"\xff"), (HOST, b"\xff")]).unwrap();
    assert_eq!(
        (other.peer, other.scheme, other.host),
        ("192.0.2.7:0".parse().ok(), None, None)
    );
}

/// An element of a list, and its address if it has one.
fn element() -> impl Strategy<Value = (String, Option<SocketAddr>)> {
    let known = |text: String| {
        let address = text.parse().map(|ip| SocketAddr::new(ip, 0)).ok();
        (text, address)
    };
    prop_oneof![
        (0..=255_u8).prop_map(move |last| known(format!("10.0.0.{last}"))),
        (0..=255_u8).prop_map(move |last| known(format!("192.0.2.{last}"))),
        (0..=255_u8).prop_map(move |last| known(format!("fd00::{last:x}"))),
        Just(("unknown".to_owned(), None)),
        Just(("192.0.2.".to_owned(), None)),
    ]
}

/// The start of a `Forwarded` header: any bytes, and bytes that try to open or close a quote.
fn prefix() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![0x20..=0x7e_u8, 0x80..=0xff_u8];
    let bytes = proptest::collection::vec(byte, 0..40);
    let parts =
        "([,;= \"\\\\]|for=|x=|proto=https|host=evil\\.test|127\\.0\\.0\\.1|10\\.0\\.0\\.2){0,12}";
    prop_oneof![bytes, parts.prop_map(String::into_bytes)]
}

/// Lines that a client can put before those of the proxies.
fn x_forwarded_prefix() -> impl Strategy<Value = String> {
    "([, \"=;]|10\\.0\\.0\\.2|203\\.0\\.113\\.9|http|evil\\.test|8080){0,12}"
}

/// The element that a proxy adds, in any form of the grammar, and the client that it names.
fn added() -> impl Strategy<Value = (String, Client)> {
    let node = prop_oneof![
        Just(("for=192.0.2.7", "192.0.2.7:0")),
        Just(("For=\"192.0.2.7:4711\"", "192.0.2.7:4711")),
        Just(("for=\"[2001:db8::1]:80\"", "[2001:db8::1]:80")),
        Just(("for=\"\\[2001:db8::1\\]\"", "[2001:db8::1]:0")),
    ];
    let host = prop_oneof![
        Just(("", None)),
        Just((";host=shop.test:8443", Some("shop.test:8443"))),
        Just((";host=\"shop.test\"", Some("shop.test"))),
    ];
    let more = prop_oneof![
        Just(""),
        Just(";by=_proxy"),
        Just(";ext=\"a,b;for=1.1.1.1\""),
        Just(";ext=\"\\\"\"; x=\"\""),
        Just(";ext=\",for=1.1.1.1;y=\""),
    ];
    let proto = prop_oneof![
        Just(("", None)),
        Just((";proto=https", Some(Scheme::Https))),
        Just((";proto=\"http\"", Some(Scheme::Http))),
    ];
    (node, host, more, proto).prop_map(|((node, peer), (host, name), more, (proto, scheme))| {
        let client = Client {
            peer: peer.parse().ok(),
            forwarded: true,
            is_proxy: false,
            scheme,
            host: name.and_then(Host::parse),
            port: None,
        };
        (format!("{node}{host}{more}{proto}"), client)
    })
}

proptest! {
    #[test]
    fn no_address_left_of_an_untrusted_one_is_the_client(
        list in proptest::collection::vec(element(), 0..12),
    ) {
        let policy = policy();
        let mut allowed = vec![PROXY.parse::<SocketAddr>().unwrap()];
        for (_, address) in list.iter().rev() {
            allowed.extend(*address);
            if !address.is_some_and(|address| policy.trusted_proxies.contains(address.ip())) {
                break;
            }
        }
        let texts = list.iter().map(|(text, _)| text.as_str());
        let older = texts.clone().collect::<Vec<_>>().join(", ");
        let quoted = |text: &str| {
            if text.contains(':') { format!("for=\"[{text}]\"") } else { format!("for={text}") }
        };
        let forwarded = texts.map(quoted).collect::<Vec<_>>().join(",");
        // The last address that may be the client is the client.
        let expected = allowed.last().copied();
        for (name, value) in [(FOR, older), (FORWARDED, forwarded)] {
            let headers = lines([(name, value.as_bytes())]);
            let client = policy.client(PROXY.parse().ok(), &headers).unwrap();
            prop_assert_eq!(client.peer, expected);
        }
    }

    #[test]
    fn any_headers_give_a_client_or_a_refusal(
        forwarded in proptest::collection::vec("[ -~\t\u{80}-\u{ff}]{0,60}|([,;= \"\\\\:\\[\\]]|for|proto|host|192\\.0\\.2\\.7){0,30}", 0..3),
        older in proptest::collection::vec("[ -~\t\u{80}-\u{ff}]{0,60}|([, :\\[\\]]|192\\.0\\.2\\.7|10\\.0\\.0\\.2){0,20}", 0..3),
    ) {
        let mut values: Vec<_> = forwarded.iter().map(|line| (FORWARDED, line.as_bytes())).collect();
        values.extend(older.iter().flat_map(|line| {
            [FOR, PROTO, HOST].map(|name| (name, line.as_bytes()))
        }));
        let headers = lines(values);
        if let Ok(client) = policy().client(PROXY.parse().ok(), &headers) {
            prop_assert!(client.peer.is_some());
            prop_assert_eq!(client.forwarded, client.peer != PROXY.parse().ok());
        } else {
            prop_assert!(!forwarded.is_empty());
        }
        // From any other peer they change nothing.
        let stranger = "192.0.2.1:9".parse().ok();
        let expected = Client { peer: stranger, ..Client::default() };
        prop_assert_eq!(policy().client(stranger, &headers), Ok(expected));
    }

    #[test]
    fn the_proxy_s_element_counts_after_any_prefix_or_the_request_is_refused(
        lines_before in proptest::collection::vec(prefix(), 0..3),
        begun in prefix(),
        added in added(),
        on_a_line_of_its_own in any::<bool>(),
    ) {
        let (proxy_s, expected) = &added;
        let mut values: Vec<Vec<u8>> = lines_before;
        if on_a_line_of_its_own {
            values.push(begun);
            values.push(proxy_s.clone().into_bytes());
        } else {
            values.push([&begun[..], b", ", proxy_s.as_bytes()].concat());
        }
        let headers = lines(values.iter().map(|value| (FORWARDED, &value[..])));
        if let Ok(client) = policy().client(PROXY.parse().ok(), &headers) {
            prop_assert_eq!(&client, expected);
        }
    }

    #[test]
    fn x_forwarded_values_of_the_proxies_count_after_any_prefix(
        before in proptest::collection::vec((0..4_usize, x_forwarded_prefix()), 0..6),
        inner in any::<bool>(),
    ) {
        let names = [FOR, PROTO, HOST, PORT];
        // One proxy, or two that both add to every list.
        let mut added = vec![["192.0.2.7", "https", "shop.test", "8443"]];
        if inner {
            added.push(["10.0.0.2", "http", "inner.test", "80"]);
        }
        let mut values: Vec<_> = before
            .iter()
            .map(|(name, line)| (names[*name], line.as_bytes()))
            .collect();
        let all: Vec<_> = added.iter().flat_map(|each| names.into_iter().zip(each)).collect();
        values.extend(all.iter().map(|(name, value)| (*name, value.as_bytes())));
        let policy = AdmissionPolicy { forwarded_port: ForwardedPort::Read, ..policy() };
        let client = policy.client(PROXY.parse().ok(), &lines(values)).unwrap();
        let expected = Client {
            peer: "192.0.2.7:0".parse().ok(),
            forwarded: true,
            is_proxy: false,
            scheme: Some(Scheme::Https),
            host: Host::parse("shop.test"),
            port: Some(8443),
        };
        prop_assert_eq!(client, expected);
    }
}
