//! Origins of files, the origin `null`, and origins one label below a domain; and the forwarded
//! port.

use super::*;

/// A list entry, an origin, and whether the entry allows it.
const LISTED: &[(&str, &str, bool)] = &[
    (
        "https://*.preview.example",
        "https://pr-7.preview.example",
        true,
    ),
    (
        "https://*.preview.example",
        "https://PR-7.Preview.example:443",
        true,
    ),
    (
        "https://*.preview.example",
        "https://preview.example",
        false,
    ),
    (
        "https://*.preview.example",
        "https://.preview.example",
        false,
    ),
    (
        "https://*.preview.example",
        "https://a.b.preview.example",
        false,
    ),
    (
        "https://*.preview.example",
        "https://apreview.example",
        false,
    ),
    (
        "https://*.preview.example",
        "https://a.preview.example.evil.test",
        false,
    ),
    (
        "https://*.preview.example",
        "http://a.preview.example",
        false,
    ),
    (
        "https://*.preview.example",
        "https://a.preview.example:8443",
        false,
    ),
    (
        "https://*.preview.example:8443",
        "https://a.preview.example:8443",
        true,
    ),
    (
        "https://*.preview.example:8443",
        "https://a.preview.example",
        false,
    ),
    (
        "https://*.preview.example:443",
        "https://a.preview.example",
        true,
    ),
    ("https://*.preview.example", "null", false),
    ("file://", "file://", true),
    ("FILE://", "file://", true),
    ("file://", "file:///", false),
    ("file://", "https://example.org", false),
    ("null", "null", true),
    ("null", "file://", false),
    ("file://", "null", false),
];

#[test]
fn a_star_matches_exactly_one_leading_label() {
    for (listed, origin, expected) in LISTED {
        let policy = AdmissionPolicy {
            origins: AllowedOrigins::Listed(vec![listed.parse().unwrap()]),
            ..AdmissionPolicy::default()
        };
        let status = Case {
            policy,
            ..Case::default()
        }
        .status(&[("origin", origin)]);
        assert_eq!(status == 101, *expected, "{listed} {origin}");
        // The list of a route is read like that of the server.
        let list: &'static [&'static str] = vec![*listed].leak();
        let access = RouteAccess {
            origins: Some(Origins::List(list)),
            ..OPEN
        };
        let status = Case {
            access,
            ..Case::default()
        }
        .status(&[("origin", origin)]);
        assert_eq!(status == 101, *expected, "{listed} {origin}");
    }
}

#[test]
fn unlisted_origins_are_refused() {
    for origin in ["null", "file://", "https://a.preview.example"] {
        assert_eq!(status(&[("origin", origin)]), 403, "{origin}");
    }
}

#[test]
fn each_invalid_pattern_has_its_error() {
    use AllowedOriginError as E;
    for (text, error) in [
        ("https://*", E::EveryHost),
        ("https://*:8443", E::EveryHost),
        ("https://*.com", E::TopLevel),
        ("https://*.com:8443", E::TopLevel),
        ("https://a.*.example", E::Star),
        ("https://*.*.example", E::Star),
        ("https://*a.preview.example", E::Star),
        ("https://a*.preview.example", E::Star),
        ("https://**.preview.example", E::Star),
        ("https://preview.example:*", E::Star),
        ("*://preview.example", E::Star),
        ("*", E::NoOrigin),
        ("https://*.preview.example/", E::NoOrigin),
        ("https://*.preview..example", E::NoOrigin),
        ("https://*.preview.example.", E::NoOrigin),
        ("https://*.0.0.1", E::NoOrigin),
        ("https://*.[::1]", E::NoOrigin),
        ("https://*.", E::NoOrigin),
        ("file://*", E::EveryHost),
        ("NULL", E::NoOrigin),
        ("", E::NoOrigin),
        ("https://", E::NoOrigin),
        ("https://example.com/x", E::NoOrigin),
    ] {
        assert_eq!(text.parse::<AllowedOrigin>(), Err(error), "{text:?}");
    }
    for text in [
        "https://*.preview.example:8443",
        "file://",
        "null",
        "https://a.test",
    ] {
        assert_eq!(text.parse::<AllowedOrigin>().unwrap().to_string(), text);
    }
}

#[tokio::test]
async fn the_origin_null_counts_as_cross_site() {
    let listed = AdmissionPolicy {
        origins: AllowedOrigins::Listed(vec![AllowedOrigin::Null, "file://".parse().unwrap()]),
        ..AdmissionPolicy::default()
    };
    let case = |origins, require_session| Case {
        access: RouteAccess {
            require_session,
            origins,
            ..OPEN
        },
        policy: listed.clone(),
        ..Case::default()
    };
    let null = [("origin", "null")];
    let cross_site = |case: &Case| case.check(&null).map(|checked| checked.cross_site());
    assert_eq!(cross_site(&case(None, false)), Ok(true));
    // The server's list opens no route that trusts cookies; the route's own list does.
    let refused = cross_site(&case(None, true)).unwrap_err();
    assert_eq!(refused.status(), 403);
    let own = Some(Origins::List(&["null"]));
    assert_eq!(cross_site(&case(own, true)), Ok(true));
    for own in [Origins::Same, Origins::List(&["file://"])] {
        let refused = cross_site(&case(Some(own), false)).unwrap_err();
        assert_eq!(refused.status(), 403, "{own:?}");
    }
    let file = case(None, true).check(&[("origin", "file://")]);
    assert!(!file.unwrap().cross_site());
    // An endpoint that acts with cookies does not accept it either.
    let case = case(None, false);
    let same = case.with_request(&null, |request| {
        same_site(request, &client(request, &case.policy)?, &case.policy)
    });
    assert_eq!(same.unwrap_err().status(), 403);
}

const PORT: &str = "x-forwarded-port";
const HOST: &str = "x-forwarded-host";
const PROTO: &str = "x-forwarded-proto";

/// Headers, an origin, and whether it is the server's own: if the port is read, and if it is not.
type Row = (
    &'static [(&'static str, &'static str)],
    &'static str,
    [bool; 2],
);

const PORTS: &[Row] = &[
    (&[(PORT, "8443")], "https://example.com:8443", [true, false]),
    (&[(PORT, "8443")], "https://example.com", [false, true]),
    (&[(PORT, "443")], "https://example.com", [true, true]),
    (
        &[(PORT, "80"), (PROTO, "https")],
        "https://example.com",
        [false, true],
    ),
    (
        &[(PORT, "8443"), ("host", "example.com:9")],
        "https://example.com:9",
        [true, true],
    ),
    (
        &[(PORT, "8443"), (HOST, "shop.test")],
        "https://shop.test:8443",
        [true, false],
    ),
    (
        &[(PORT, "8443"), (HOST, "shop.test:9")],
        "https://shop.test:9",
        [true, true],
    ),
    // The client added the left one.
    (
        &[(PORT, "1, 8443")],
        "https://example.com:8443",
        [true, false],
    ),
    (
        &[(PORT, "1, 8443")],
        "https://example.com:1",
        [false, false],
    ),
    (&[(PORT, "x")], "https://example.com", [true, true]),
    (&[(PORT, "65536")], "https://example.com", [true, true]),
    (&[(PORT, "+443")], "https://example.com", [true, true]),
    // With `Forwarded` present it does not count, like the other headers.
    (
        &[(PORT, "8443"), ("forwarded", "for=192.0.2.7")],
        "https://example.com",
        [true, true],
    ),
];

#[test]
fn the_forwarded_port_counts_if_enabled_and_no_host_has_one() {
    for (headers, origin, expected) in PORTS {
        let changes = [*headers, &[("origin", *origin)]].concat();
        let is_own = |peer: &str, forwarded_port| {
            let case = Case {
                peer: peer.parse().ok(),
                policy: AdmissionPolicy {
                    trusted_proxies: ["10.0.0.0/8".parse().unwrap()].into_iter().collect(),
                    forwarded_port,
                    ..AdmissionPolicy::default()
                },
                ..Case::default()
            };
            case.status(&changes) == 101
        };
        let found =
            [ForwardedPort::Read, ForwardedPort::Ignored].map(|of| is_own("10.0.0.1:9", of));
        assert_eq!(found, *expected, "{headers:?} {origin}");
        let untrusted = is_own("192.0.2.1:9", ForwardedPort::Read);
        let without = is_own("192.0.2.1:9", ForwardedPort::Ignored);
        assert_eq!(untrusted, without, "{headers:?} {origin}");
    }
}
