//! The client of a request: forwarded headers, and headers that clients make proxies pass on.

use super::*;

mod hostile;

/// The peer of most tests: a trusted proxy, like all of `10.0.0.0/8` and `fd00::/8`.
const PROXY: &str = "10.0.0.1:4711";

fn policy() -> AdmissionPolicy {
    let networks = ["10.0.0.0/8", "fd00::/8"];
    AdmissionPolicy {
        trusted_proxies: networks
            .map(|text| text.parse().unwrap())
            .into_iter()
            .collect(),
        ..AdmissionPolicy::default()
    }
}

fn lines<'v>(lines: impl IntoIterator<Item = (&'static str, &'v [u8])>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        headers.append(name, HeaderValue::from_bytes(value).unwrap());
    }
    headers
}

/// Reads the client of a request with these header lines from this peer.
fn read(peer: &str, values: &[(&'static str, &str)]) -> Result<Client, ForwardedError> {
    let values = values.iter().map(|(name, value)| (*name, value.as_bytes()));
    policy().client(peer.parse().ok(), &lines(values))
}

/// The same for well-formed headers.
fn client_of(peer: &str, values: &[(&'static str, &str)]) -> Client {
    read(peer, values).unwrap()
}

/// The client's address, and its scheme and host, if they are known.
fn seen(values: &[(&'static str, &str)]) -> String {
    let client = client_of(PROXY, values);
    let scheme = client.scheme.map_or("?", Scheme::as_str);
    let host = client.host.map_or("?".to_owned(), |host| host.to_string());
    format!("{} {scheme} {host}", client.peer.unwrap())
}

/// Only the client's address.
fn address(values: &[(&'static str, &str)]) -> String {
    client_of(PROXY, values).peer.unwrap().to_string()
}

const FOR: &str = "x-forwarded-for";
const PROTO: &str = "x-forwarded-proto";
const HOST: &str = "x-forwarded-host";
const PORT: &str = "x-forwarded-port";
const FORWARDED: &str = "forwarded";

#[test]
fn the_client_is_the_rightmost_address_of_no_trusted_proxy() {
    let table: &[(&str, &str)] = &[
        ("192.0.2.7", "192.0.2.7:0"),
        ("192.0.2.7:80", "192.0.2.7:80"),
        ("2001:db8::1", "[2001:db8::1]:0"),
        ("[2001:db8::1]", "[2001:db8::1]:0"),
        ("[2001:db8::1]:443", "[2001:db8::1]:443"),
        ("::ffff:192.0.2.7", "192.0.2.7:0"),
        ("[::ffff:192.0.2.7]:9", "192.0.2.7:9"),
        ("192.0.2.7, 10.0.0.2", "192.0.2.7:0"),
        ("192.0.2.7,10.0.0.2,fd00::3", "192.0.2.7:0"),
        ("192.0.2.7, ::ffff:10.0.0.2", "192.0.2.7:0"),
        (" , 192.0.2.7 , ,, 10.0.0.2 ,", "192.0.2.7:0"),
        // All of them are trusted: the leftmost.
        ("10.0.0.3, 10.0.0.2", "10.0.0.3:0"),
        ("", PROXY),
        (",", PROXY),
        // Entries that a client wrote are to the left of the one that the proxy added.
        ("203.0.113.9, 192.0.2.7", "192.0.2.7:0"),
        ("10.0.0.9, 192.0.2.7", "192.0.2.7:0"),
        ("203.0.113.9, 192.0.2.7, 10.0.0.2", "192.0.2.7:0"),
        ("junk, 192.0.2.7", "192.0.2.7:0"),
        // An unusable address ends the walk.
        ("unknown", PROXY),
        ("203.0.113.9, unknown", PROXY),
        ("203.0.113.9, unknown, 10.0.0.2", "10.0.0.2:0"),
        ("203.0.113.9, 192.0.2.300", PROXY),
        ("203.0.113.9, 192.0.2.7:65536", PROXY),
        ("203.0.113.9, 192.0.2.7:+80", PROXY),
        ("203.0.113.9, 192.0.2.7:", PROXY),
        ("203.0.113.9, 192.0.2", PROXY),
        ("203.0.113.9, proxy.example", PROXY),
        ("203.0.113.9, [2001:db8::1", PROXY),
        ("203.0.113.9, [2001:db8::1]x", PROXY),
        ("203.0.113.9, [192.0.2.7]", PROXY),
        ("203.0.113.9, fe80::1%eth0", PROXY),
        ("203.0.113.9, \"192.0.2.7\"", PROXY),
    ];
    for (value, expected) in table {
        assert_eq!(address(&[(FOR, value)]), *expected, "{value:?}");
    }
}

#[test]
fn forwarded_is_parsed_in_every_form_of_rfc_7239() {
    let table: &[(&str, &str)] = &[
        ("for=192.0.2.43", "192.0.2.43:0 ? ?"),
        ("For=\"192.0.2.43:47011\"", "192.0.2.43:47011 ? ?"),
        (
            "For=\"[2001:db8:cafe::17]:4711\"",
            "[2001:db8:cafe::17]:4711 ? ?",
        ),
        ("for=\"[2001:db8::1]\"", "[2001:db8::1]:0 ? ?"),
        ("for=\"[2001:db8::1]:_hidden\"", "[2001:db8::1]:0 ? ?"),
        (
            "for=192.0.2.60;proto=http;by=203.0.113.43",
            "192.0.2.60:0 http ?",
        ),
        (
            "PROTO=HTTPS ; by=_x;HOST=\"Shop.test:8443\"; FOR=192.0.2.60",
            "192.0.2.60:0 https shop.test:8443",
        ),
        (
            "for=192.0.2.60;secret=\"a,b;for=1.1.1.1\\\"\";proto=wss",
            "192.0.2.60:0 https ?",
        ),
        ("for=\"192.\\0.2.60\"", "192.0.2.60:0 ? ?"),
        (
            "for=192.0.2.60;host=shop.test:8443;",
            "192.0.2.60:0 ? shop.test:8443",
        ),
        ("for=192.0.2.43, for=198.51.100.17", "198.51.100.17:0 ? ?"),
        (
            "for=192.0.2.43;proto=https,for=10.0.0.2;proto=http",
            "192.0.2.43:0 https ?",
        ),
        (
            "for=10.0.0.3;proto=https, for=10.0.0.2;proto=http",
            "10.0.0.3:0 https ?",
        ),
        // The address of a hidden client is unknown, but the scheme and host of the request are
        // known.
        (
            "for=unknown;proto=https;host=shop.test",
            "10.0.0.1:4711 https shop.test",
        ),
        (
            "for=203.0.113.9, for=_SEVKISEK;proto=https",
            "10.0.0.1:4711 https ?",
        ),
        (
            "for=203.0.113.9;proto=https, for=unknown, for=10.0.0.2",
            "10.0.0.2:0 ? ?",
        ),
        ("proto=https", "10.0.0.1:4711 https ?"),
        ("for=192.0.2.43;proto=ftp;host=\"a b\"", "192.0.2.43:0 ? ?"),
        ("for=192.0.2.43;host=\"user@shop.test\"", "192.0.2.43:0 ? ?"),
        ("for=192.0.2.43;ext=\"\"", "192.0.2.43:0 ? ?"),
    ];
    for (value, expected) in table {
        assert_eq!(seen(&[(FORWARDED, value)]), *expected, "{value:?}");
    }
}

#[test]
fn several_header_lines_are_one_list() {
    assert_eq!(
        address(&[
            (FOR, "203.0.113.9"),
            (FOR, "192.0.2.7, 10.0.0.3"),
            (FOR, "10.0.0.2")
        ]),
        "192.0.2.7:0"
    );
    let forwarded = [
        (FORWARDED, "for=203.0.113.9;proto=http"),
        (FORWARDED, "for=192.0.2.7;proto=https"),
        (FORWARDED, "for=10.0.0.2, for=\"[fd00::2]\""),
    ];
    assert_eq!(seen(&forwarded), "192.0.2.7:0 https ?");
}

#[test]
fn proto_and_host_come_from_the_client_s_position() {
    let table: &[(&[(&str, &str)], &str)] = &[
        (
            &[(FOR, "192.0.2.7"), (PROTO, "https"), (HOST, "Shop.test")],
            "192.0.2.7:0 https shop.test",
        ),
        (
            &[(FOR, "192.0.2.7, 10.0.0.2"), (PROTO, "https, http")],
            "192.0.2.7:0 https ?",
        ),
        (
            &[
                (FOR, "192.0.2.7, 10.0.0.2"),
                (HOST, "shop.test, inner.test"),
            ],
            "192.0.2.7:0 ? shop.test",
        ),
        // Entries to the left of the client's position were written by a client.
        (
            &[(FOR, "203.0.113.9, 192.0.2.7"), (PROTO, "http, https")],
            "192.0.2.7:0 https ?",
        ),
        (
            &[(FOR, "203.0.113.9, 192.0.2.7"), (PROTO, "https")],
            "192.0.2.7:0 https ?",
        ),
        // Entries that the client adds at the left change nothing.
        (
            &[(FOR, "192.0.2.7, 10.0.0.2"), (PROTO, "a, https, http")],
            "192.0.2.7:0 https ?",
        ),
        (
            &[
                (FOR, "a, b, 192.0.2.7, 10.0.0.2"),
                (HOST, "shop.test, inner.test"),
            ],
            "192.0.2.7:0 ? shop.test",
        ),
        // The inner proxy passes on what the outer one has set.
        (
            &[(FOR, "192.0.2.7, 10.0.0.2"), (PROTO, "https")],
            "192.0.2.7:0 https ?",
        ),
        (
            &[(FOR, "192.0.2.7"), (PROTO, "http, https")],
            "192.0.2.7:0 https ?",
        ),
        (
            &[(PROTO, "https"), (HOST, "shop.test")],
            "10.0.0.1:4711 https shop.test",
        ),
        (
            &[(FOR, "192.0.2.7"), (PROTO, "gopher"), (HOST, "a/b")],
            "192.0.2.7:0 ? ?",
        ),
        (&[(FOR, "192.0.2.7"), (PROTO, "WSS")], "192.0.2.7:0 https ?"),
        (&[(FOR, "192.0.2.7"), (PROTO, "ws")], "192.0.2.7:0 http ?"),
        // If only `Forwarded` is present, its values count.
        (
            &[
                (FORWARDED, "for=192.0.2.7"),
                (PROTO, "https"),
                (HOST, "evil.test"),
            ],
            "192.0.2.7:0 ? ?",
        ),
    ];
    for (values, expected) in table {
        assert_eq!(seen(values), *expected, "{values:?}");
    }
}

#[test]
fn header_families_that_contradict_each_other_are_ignored() {
    let both = |forwarded, older| {
        seen(&[
            (FORWARDED, forwarded),
            (FOR, older),
            (PROTO, "https"),
            (HOST, "shop.test"),
        ])
    };
    let neither = "10.0.0.1:4711 ? ?";
    assert_eq!(both("for=203.0.113.9;proto=https", "192.0.2.7"), neither);
    assert_eq!(both("proto=https", "192.0.2.7"), neither);
    assert_eq!(both("for=192.0.2.7", "unknown"), neither);
    // The same client: values count if both agree; a value in only one may come from the client.
    let all = "for=\"192.0.2.7:80\";proto=https;host=shop.test";
    assert_eq!(both(all, "192.0.2.7:80"), "192.0.2.7:80 https shop.test");
    assert_eq!(both(all, "192.0.2.7"), "192.0.2.7:0 https shop.test");
    assert_eq!(both("for=192.0.2.7", "192.0.2.7"), "192.0.2.7:0 ? ?");
    let other = "for=192.0.2.7;proto=http;host=evil.test";
    assert_eq!(both(other, "192.0.2.7"), "192.0.2.7:0 ? ?");
}

#[test]
fn the_address_of_a_named_proxy_counts_for_every_limit() {
    let contradiction = [(FORWARDED, "for=203.0.113.9"), (FOR, "192.0.2.7")];
    let own: [&[(&str, &str)]; 5] = [
        &[],
        &[(FOR, "unknown")],
        &[(FORWARDED, "for=_hidden")],
        &[(FORWARDED, "proto=https")],
        &contradiction,
    ];
    for values in own {
        let client = client_of(PROXY, values);
        assert_eq!(client.peer, PROXY.parse().ok(), "{values:?}");
        assert!(client.is_proxy && !client.may_be_proxy(), "{values:?}");
        assert_eq!(client.counted_address(), "10.0.0.1".parse().ok());
    }
    // The address of an inner proxy counts too, and that of a client in a private network.
    for (client, is_proxy) in [("10.0.0.2", true), ("192.168.0.7", false)] {
        let found = client_of(PROXY, &[(FOR, client)]);
        assert_eq!(found.counted_address(), client.parse().ok());
        assert_eq!((found.is_proxy, found.forwarded), (is_proxy, true));
    }
    // A private peer that is not configured may be a proxy, and all its visitors would share it.
    let unnamed = client_of("192.168.0.1:9", &contradiction);
    assert!(unnamed.may_be_proxy());
    assert_eq!(unnamed.counted_address(), None);
    let public = client_of("192.0.2.1:9", &[]);
    assert_eq!(public.counted_address(), "192.0.2.1".parse().ok());
}

#[test]
fn forwarded_headers_of_an_untrusted_peer_are_ignored() {
    let values = [
        (FOR, "203.0.113.9"),
        (PROTO, "https"),
        (HOST, "evil.test"),
        (FORWARDED, "for=203.0.113.9;proto=https;host=evil.test"),
    ];
    for peer in [
        "192.0.2.1:9",
        "11.0.0.1:9",
        "127.0.0.1:9",
        "[2001:db8::1]:9",
        "[::1]:9",
    ] {
        let expected = Client {
            peer: peer.parse().ok(),
            ..Client::default()
        };
        assert_eq!(client_of(peer, &values), expected, "{peer}");
        assert_eq!(
            AdmissionPolicy::default().client(peer.parse().ok(), &HeaderMap::new()),
            Ok(expected)
        );
    }
    assert_eq!(client_of("unknown", &values), Client::default());
    let mapped = client_of("[::ffff:192.0.2.1]:9", &values);
    assert_eq!(mapped.peer, "192.0.2.1:9".parse().ok());
    let mapped = client_of("[::ffff:10.0.0.1]:9", &[(FOR, "192.0.2.7")]);
    assert_eq!(
        (mapped.peer, mapped.forwarded),
        ("192.0.2.7:0".parse().ok(), true)
    );
}

#[test]
fn public_url_takes_precedence_over_forwarded_values() {
    let policy = AdmissionPolicy {
        public_url: "https://shop.test:8443".parse().ok(),
        ..policy()
    };
    let values = [(FOR, "192.0.2.7"), (PROTO, "http"), (HOST, "evil.test")];
    let headers = lines(values.map(|(name, value)| (name, value.as_bytes())));
    for (peer, expected) in [(PROXY, "192.0.2.7:0"), ("192.0.2.1:9", "192.0.2.1:9")] {
        let client = policy.client(peer.parse().ok(), &headers).unwrap();
        assert_eq!(client.peer, expected.parse().ok());
        assert_eq!(client.scheme, Some(Scheme::Https));
        assert_eq!(client.host.unwrap().to_string(), "shop.test:8443");
    }
}

#[test]
fn networks_are_parsed_in_every_form_and_other_texts_refused() {
    let table: &[(&str, &str, &[&str], &[&str])] = &[
        (
            "10.0.0.0/8",
            "10.0.0.0/8",
            &["10.255.0.1", "::ffff:10.0.0.1"],
            &["11.0.0.1", "::a00:1"],
        ),
        ("10.1.2.3/8", "10.0.0.0/8", &["10.255.0.1"], &["11.0.0.1"]),
        ("192.0.2.7", "192.0.2.7/32", &["192.0.2.7"], &["192.0.2.8"]),
        ("::1", "::1/128", &["::1"], &["::2", "127.0.0.1"]),
        ("fd00::/8", "fd00::/8", &["fdff::1"], &["fc00::1"]),
        ("0.0.0.0/0", "0.0.0.0/0", &["192.0.2.7"], &["2001:db8::1"]),
        (
            "::/0",
            "::/0",
            &["2001:db8::1"],
            &["192.0.2.7", "::ffff:192.0.2.7"],
        ),
        (
            "::ffff:10.0.0.0/104",
            "10.0.0.0/8",
            &["10.0.0.1"],
            &["11.0.0.1"],
        ),
        (
            "::ffff:192.0.2.7",
            "192.0.2.7/32",
            &["192.0.2.7"],
            &["192.0.2.8"],
        ),
    ];
    for (text, shown, inside, outside) in table {
        let network: Network = text.parse().unwrap();
        assert_eq!(network.to_string(), *shown, "{text}");
        let contains = |address: &&str| network.contains(address.parse().unwrap());
        assert!(inside.iter().all(contains), "{text}");
        assert!(!outside.iter().any(contains), "{text}");
    }
    for text in [
        "",
        " ",
        "10.0.0.0/33",
        "10.0.0.0/",
        "10.0.0",
        "10.0.0.0/-1",
        " 10.0.0.1",
        "fd00::/129",
        "[::1]",
        "10.0.0.1:80",
        "proxy.example",
        "*",
        "::ffff:10.0.0.0/95",
        "10.0.0.1/8/8",
    ] {
        assert_eq!(text.parse::<Network>(), Err(NetworkError), "{text:?}");
    }
}

#[test]
fn an_encrypted_connection_has_the_scheme_https_unless_a_proxy_forwards_another() {
    let scheme = |peer: &str, over_tls, headers: &[(&'static str, &str)]| {
        let case = Case {
            peer: peer.parse().ok(),
            over_tls,
            policy: policy(),
            ..Case::default()
        };
        let client = case.with_request(headers, |request| client(request, &case.policy));
        client.unwrap().scheme
    };
    let (direct, proxied) = ("192.0.2.7:1", "10.0.0.1:1");
    let forwarded = ("x-forwarded-for", "192.0.2.9");
    let plain = ("x-forwarded-proto", "http");
    for (peer, over_tls, headers, expected) in [
        (direct, false, &[][..], None),
        (direct, true, &[], Some(Scheme::Https)),
        (direct, true, &[forwarded, plain], Some(Scheme::Https)),
        (proxied, true, &[], Some(Scheme::Https)),
        (proxied, true, &[forwarded, plain], Some(Scheme::Http)),
        (proxied, true, &[forwarded], None),
    ] {
        assert_eq!(
            scheme(peer, over_tls, headers),
            expected,
            "{peer} {headers:?}"
        );
    }
}
