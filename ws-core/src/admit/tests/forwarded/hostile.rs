//! Lists that are malformed, endless, or begun by somebody who wants to be somebody else.

use proptest::prelude::*;

use super::*;

#[test]
fn of_a_malformed_element_nothing_counts_and_the_walk_ends_there() {
    for last in [
        "for=192.0.2.7;for=192.0.2.8",
        "for=192.0.2.7;proto=https;proto=http",
        "for=192.0.2.7;proto",
        "for=;proto=https",
        "for=\"192.0.2.7;proto=https",
        "for=\"192.0.2.7\"x;proto=https",
        "for=\"192.0.2.7\\",
        "for=192.0.2.7 proto=https",
        "for=192.0.2.7;x=a\"b\"",
        "for = 192.0.2.7;proto=https",
        "192.0.2.7",
        "=",
        ";=;",
        "\"",
        "\u{e4}",
    ] {
        let value = format!("for=203.0.113.9;proto=http, {last}");
        assert_eq!(
            seen(&[(FORWARDED, &value)]),
            "10.0.0.1:4711 ? ?",
            "{value:?}"
        );
    }
}

#[test]
fn a_quote_that_a_client_left_open_does_not_swallow_what_the_proxy_adds() {
    for own in [
        "for=203.0.113.9;x=\"",
        "for=\"203.0.113.9",
        "for=203.0.113.9;x=\"\\",
    ] {
        for added in [
            "for=192.0.2.7",
            "for=\"[2001:db8::1]:4711\"",
            "for=192.0.2.7;host=\"shop.test:80\";proto=https",
        ] {
            // On one line the two cannot be told apart, and nothing of it counts.
            let joined = format!("{own}, {added}");
            assert_eq!(
                seen(&[(FORWARDED, &joined)]),
                "10.0.0.1:4711 ? ?",
                "{joined:?}"
            );
            // On lines of their own they can.
            let seen = address(&[(FORWARDED, own), (FORWARDED, added)]);
            assert!(
                ["192.0.2.7:0", "[2001:db8::1]:4711"].contains(&&*seen),
                "{seen}"
            );
        }
    }
}

#[test]
fn of_a_long_list_only_the_last_64_elements_are_looked_at() {
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
            assert_eq!(
                address(&[(name, &long), (name, real)]),
                "192.0.2.7:0",
                "{hostile:?}"
            );
            address(&[(name, &long)]);
        }
    }
}

#[test]
fn bytes_that_are_no_text_are_no_address() {
    let client = |values: &[(&'static str, &[u8])]| {
        let headers = lines(values.iter().copied());
        policy().client(PROXY.parse().ok(), &headers)
    };
    for (name, value) in [
        (FOR, &b"203.0.113.9, \xff\xfe"[..]),
        (FORWARDED, b"for=203.0.113.9, for=\xff"),
        (FORWARDED, b"for=203.0.113.9, for=\"\xff\""),
    ] {
        assert_eq!(
            client(&[(name, value)]).peer,
            PROXY.parse().ok(),
            "{value:?}"
        );
    }
    // In what we do not read they may stand.
    let other = client(&[(FORWARDED, b"for=192.0.2.7;ext=\"\xff\"")]);
    assert_eq!(other.peer, "192.0.2.7:0".parse().ok());
    let other = client(&[(FOR, b"192.0.2.7"), (PROTO, b"\xff"), (HOST, b"\xff")]);
    assert_eq!(
        (other.peer, other.scheme, other.host),
        ("192.0.2.7:0".parse().ok(), None, None)
    );
}

/// An element of a list, and its address where it has one.
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

proptest! {
    #[test]
    fn nothing_left_of_an_address_that_is_not_trusted_is_ever_the_client(
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
            prop_assert_eq!(policy.client(PROXY.parse().ok(), &headers).peer, expected);
        }
    }

    #[test]
    fn whatever_the_headers_hold_a_client_is_found(
        forwarded in proptest::collection::vec("[ -~\t\u{80}-\u{ff}]{0,60}|([,;= \"\\\\:\\[\\]]|for|proto|host|192\\.0\\.2\\.7){0,30}", 0..3),
        older in proptest::collection::vec("[ -~\t\u{80}-\u{ff}]{0,60}|([, :\\[\\]]|192\\.0\\.2\\.7|10\\.0\\.0\\.2){0,20}", 0..3),
    ) {
        let mut values: Vec<_> = forwarded.iter().map(|line| (FORWARDED, line.as_bytes())).collect();
        values.extend(older.iter().flat_map(|line| {
            [FOR, PROTO, HOST].map(|name| (name, line.as_bytes()))
        }));
        let headers = lines(values);
        let client = policy().client(PROXY.parse().ok(), &headers);
        prop_assert!(client.peer.is_some());
        prop_assert_eq!(client.forwarded, client.peer != PROXY.parse().ok());
        // From anybody else they change nothing.
        let stranger = "192.0.2.1:9".parse().ok();
        let expected = Client { peer: stranger, ..Client::default() };
        prop_assert_eq!(policy().client(stranger, &headers), expected);
    }
}
