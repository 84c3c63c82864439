//! The server's own site behind proxies, and what pages of other sites may do.

use std::time::Duration;

use super::*;

const PROTO: &str = "x-forwarded-proto";
const HOST: &str = "x-forwarded-host";

type Headers = &'static [(&'static str, &'static str)];

/// Headers, an origin, and the statuses of such a request: from a trusted proxy, and from any other
/// peer.
const FORWARDED: &[(Headers, &str, u16, u16)] = &[
    // The scheme is compared if it is known.
    (&[(PROTO, "https")], "https://example.com", 101, 101),
    (&[(PROTO, "https")], "https://example.com:443", 101, 101),
    (&[(PROTO, "https")], "http://example.com", 403, 101),
    (&[(PROTO, "https")], "http://example.com:443", 403, 403),
    (&[(PROTO, "http")], "http://example.com:80", 101, 101),
    (&[(PROTO, "http")], "https://example.com", 403, 101),
    (&[(PROTO, "wss")], "https://example.com", 101, 101),
    (&[(PROTO, "gopher")], "http://example.com", 101, 101),
    (&[], "http://example.com", 101, 101),
    (&[], "https://example.com", 101, 101),
    // The forwarded host takes precedence over `Host`.
    (&[(HOST, "shop.test")], "http://shop.test", 101, 403),
    (&[(HOST, "shop.test")], "https://SHOP.test:443", 101, 403),
    (&[(HOST, "shop.test")], "https://example.com", 403, 101),
    (
        &[(HOST, "shop.test:443"), (PROTO, "https")],
        "https://shop.test",
        101,
        403,
    ),
    (
        &[(HOST, "shop.test:80"), (PROTO, "https")],
        "https://shop.test",
        403,
        403,
    ),
    (
        &[(HOST, "shop.test:8443"), (PROTO, "https")],
        "https://shop.test:8443",
        101,
        403,
    ),
    (
        &[(HOST, "shop.test:8443"), (PROTO, "https")],
        "https://shop.test",
        403,
        403,
    ),
    (
        &[(HOST, "[2001:db8::1]"), (PROTO, "https")],
        "https://[2001:db8::1]",
        101,
        403,
    ),
    (&[(HOST, "no host")], "https://example.com", 101, 101),
    (
        &[("forwarded", "host=shop.test;proto=https")],
        "https://shop.test",
        101,
        403,
    ),
    (
        &[("forwarded", "host=shop.test;proto=https")],
        "http://shop.test",
        403,
        403,
    ),
    // A usable `Host` is required even then.
    (
        &[("-host", ""), (HOST, "shop.test")],
        "https://shop.test",
        400,
        400,
    ),
];

/// Headers, an origin, and the status of such a request.
type Sites = &'static [(Headers, &'static str, u16)];

#[test]
fn behind_a_trusted_proxy_the_own_origin_is_the_forwarded_one() {
    for (headers, origin, trusted, untrusted) in FORWARDED {
        let changes = [*headers, &[("origin", *origin)]].concat();
        let case = |peer: &str| Case {
            peer: peer.parse().ok(),
            policy: AdmissionPolicy {
                trusted_proxies: ["10.0.0.0/8".parse().unwrap()].into_iter().collect(),
                ..AdmissionPolicy::default()
            },
            ..Case::default()
        };
        let status = ["10.0.0.1:9", "192.0.2.1:9"].map(|peer| case(peer).status(&changes));
        assert_eq!(status, [*trusted, *untrusted], "{headers:?} {origin}");
    }
}

#[test]
fn a_forwarded_host_takes_precedence_over_the_authority_in_the_target() {
    let case = || Case {
        uri: "http://inner.test/chat",
        peer: "10.0.0.1:9".parse().ok(),
        policy: AdmissionPolicy {
            trusted_proxies: ["10.0.0.1".parse().unwrap()].into_iter().collect(),
            ..AdmissionPolicy::default()
        },
        ..Case::default()
    };
    let from = |origin| [(HOST, "shop.test"), ("origin", origin)];
    assert_eq!(case().status(&from("https://shop.test")), 101);
    assert_eq!(case().status(&from("https://inner.test")), 403);
    assert_eq!(case().status(&[("origin", "https://inner.test")]), 101);
}

#[test]
fn public_url_takes_precedence_over_a_forwarded_host_and_scheme() {
    let case = || Case {
        peer: "10.0.0.1:9".parse().ok(),
        policy: AdmissionPolicy {
            trusted_proxies: ["10.0.0.1".parse().unwrap()].into_iter().collect(),
            public_url: "https://shop.test".parse().ok(),
            ..AdmissionPolicy::default()
        },
        ..Case::default()
    };
    let from = |origin| [(HOST, "evil.test"), (PROTO, "http"), ("origin", origin)];
    assert_eq!(case().status(&from("https://shop.test")), 101);
    assert_eq!(case().status(&from("http://shop.test")), 403);
    assert_eq!(case().status(&from("http://evil.test")), 403);
}

/// Routes without the option `origins`, or with this one; without and with a session.
fn both_accesses(origins: Option<Origins>) -> [RouteAccess; 2] {
    [false, true].map(|require_session| RouteAccess {
        require_session,
        origins,
        ..OPEN
    })
}

#[tokio::test]
async fn any_origin_of_the_server_excludes_routes_that_require_a_session() {
    let (session, _) = Sessions::default().begin().await.unwrap();
    let policy = AdmissionPolicy {
        origins: AllowedOrigins::Any,
        ..AdmissionPolicy::default()
    };
    let case = |access| Case {
        access,
        policy: policy.clone(),
        visitor: Ok(FoundVisitor::from(Visitor {
            session: Some(session.clone()),
            ..Visitor::default()
        })),
        ..Case::default()
    };
    let foreign = [("origin", "https://evil.test")];
    assert_eq!(
        both_accesses(None).map(|access| case(access).status(&foreign)),
        [101, 403]
    );
    assert_eq!(
        both_accesses(None).map(|access| case(access).status(&[])),
        [101, 101]
    );
    let own = [("origin", "https://example.com")];
    assert_eq!(
        both_accesses(None).map(|access| case(access).status(&own)),
        [101, 101]
    );
    let any = both_accesses(Some(Origins::Any));
    assert_eq!(any.map(|access| case(access).status(&foreign)), [101, 101]);
}

#[test]
fn only_foreign_origins_admitted_by_any_are_cross_site() {
    let listed = |list: &[&str]| AdmissionPolicy {
        origins: AllowedOrigins::Listed(list.iter().map(|text| text.parse().unwrap()).collect()),
        ..AdmissionPolicy::default()
    };
    let any = AdmissionPolicy {
        origins: AllowedOrigins::Any,
        ..AdmissionPolicy::default()
    };
    let of_route = Some(Origins::Any);
    let of_list = Some(Origins::List(&["https://evil.test"]));
    let table: [(&AdmissionPolicy, Option<Origins>, &str, bool); 11] = [
        (&AdmissionPolicy::default(), None, "", false),
        (
            &AdmissionPolicy::default(),
            None,
            "https://example.com",
            false,
        ),
        (&AdmissionPolicy::default(), of_route, "", false),
        (
            &AdmissionPolicy::default(),
            of_route,
            "http://example.com",
            false,
        ),
        (
            &AdmissionPolicy::default(),
            of_route,
            "https://evil.test",
            true,
        ),
        (&AdmissionPolicy::default(), of_route, "null", true),
        (
            &AdmissionPolicy::default(),
            of_list,
            "https://evil.test",
            false,
        ),
        (
            &listed(&["https://evil.test"]),
            None,
            "https://evil.test",
            false,
        ),
        (
            &listed(&["https://evil.test"]),
            of_route,
            "https://evil.test",
            false,
        ),
        (&any, None, "https://evil.test", true),
        (&any, None, "https://example.com", false),
    ];
    for (policy, origins, origin, expected) in table {
        let case = Case {
            access: RouteAccess { origins, ..OPEN },
            policy: policy.clone(),
            ..Case::default()
        };
        let change = [("origin", origin)];
        let checked = case.check(if origin.is_empty() { &[] } else { &change });
        assert_eq!(
            checked.unwrap().cross_site(),
            expected,
            "{origins:?} {origin:?}"
        );
    }
}

#[test]
fn an_http_endpoint_accepts_only_requests_of_its_own_site() {
    const FETCH: &str = "sec-fetch-site";
    let table: Sites = &[
        (&[], "", 200),
        (&[(FETCH, "same-origin")], "", 200),
        (&[(FETCH, "none")], "", 200),
        (&[(FETCH, "cross-site")], "", 403),
        (&[(FETCH, "Cross-Site")], "", 403),
        (
            &[(FETCH, "none"), ("+sec-fetch-site", "cross-site")],
            "",
            403,
        ),
        (&[], "https://example.com", 200),
        (&[(FETCH, "cross-site")], "https://partner.test", 200),
        (&[(FETCH, "same-origin")], "null", 200),
        (&[(FETCH, "cross-site")], "null", 403),
        (&[(FETCH, "same-origin")], "https://evil.test", 403),
        (&[], "http://partner.test", 403),
        (&[], "https://evil.test", 403),
        (&[(FETCH, "same-origin")], "https://evil.test", 403),
        (&[], "null", 403),
        (
            &[("+origin", "https://example.com")],
            "https://example.com",
            403,
        ),
        (&[("-host", "")], "", 200),
        (&[("-host", "")], "https://example.com", 400),
        (&[(PROTO, "https")], "http://example.com", 403),
        (&[(HOST, "shop.test")], "https://shop.test", 200),
    ];
    let case = |origins| Case {
        method: Method::POST,
        peer: "10.0.0.1:9".parse().ok(),
        policy: AdmissionPolicy {
            origins,
            trusted_proxies: ["10.0.0.1".parse().unwrap()].into_iter().collect(),
            ..AdmissionPolicy::default()
        },
        ..Case::default()
    };
    let ask = |case: &Case, headers: &[_], origin: &str| {
        let own: &[_] = if origin.is_empty() {
            &[]
        } else {
            &[("origin", origin)]
        };
        let asked = case.with_request(&[own, headers].concat(), |request| {
            same_site(request, &client(request, &case.policy)?, &case.policy)
        });
        asked.map_or_else(|refusal| refusal.status().as_u16(), |()| 200)
    };
    let listed = case(AllowedOrigins::Listed(vec![
        "https://partner.test".parse().unwrap(),
    ]));
    for (headers, origin, expected) in table {
        assert_eq!(
            ask(&listed, headers, origin),
            *expected,
            "{headers:?} {origin:?}"
        );
    }
    // The origins of routes do not apply to an HTTP endpoint.
    let any = case(AllowedOrigins::Any);
    assert_eq!(ask(&any, &[], "https://evil.test"), 403);
    assert_eq!(ask(&any, &[], "https://example.com"), 200);
}

/// Any page on the web can cause such lines.
#[tokio::test(start_paused = true)]
async fn clones_of_a_policy_share_the_count_of_refused_origins() {
    let policy = AdmissionPolicy::default();
    let case = |policy: &AdmissionPolicy| Case {
        policy: policy.clone(),
        ..Case::default()
    };
    for _ in 0..9 {
        assert_eq!(
            case(&policy).status(&[("origin", "https://evil.test")]),
            403
        );
    }
    tokio::time::advance(Duration::from_secs(10)).await;
    assert_eq!(policy.request_log.origins.count(), Some(9));
    assert_eq!(
        case(&policy).status(&[("origin", "https://example.com")]),
        101
    );
    tokio::time::advance(Duration::from_secs(10)).await;
    assert_eq!(policy.request_log.origins.count(), Some(1));
}
