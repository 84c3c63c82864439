//! Step 3.

use super::*;

#[test]
fn step_3_requires_the_host_s_own_origin() {
    let table: &[(&str, &str, u16)] = &[
        ("example.com", "https://example.com", 101),
        ("example.com", "http://example.com", 101),
        ("EXAMPLE.com", "HTTPS://example.COM", 101),
        ("example.com:443", "https://example.com", 101),
        ("example.com", "https://example.com:443", 101),
        ("example.com:80", "http://example.com", 101),
        ("example.com:", "http://example.com", 101),
        ("localhost:3030", "http://localhost:3030", 101),
        ("[::1]:3030", "http://[0:0::1]:3030", 101),
        ("example.com:443", "http://example.com", 403),
        ("example.com", "https://example.com:8443", 403),
        ("localhost:3030", "http://localhost:3031", 403),
        ("localhost:3030", "http://localhost", 403),
        ("example.com", "https://example.com.evil.test", 403),
        ("example.com", "https://evil.test", 403),
        ("example.com", "https://evil-example.com", 403),
        ("example.com", "https://sub.example.com", 403),
        ("example.com", "chrome-extension://example.com", 403),
        ("example.com", "null", 403),
        ("example.com", "", 403),
        ("example.com", "https://", 403),
        ("example.com", "example.com", 403),
        ("example.com", "://example.com", 403),
        ("example.com", "https://example.com/", 403),
        ("example.com", "https://user@example.com", 403),
        ("example.com", "https://evil.test@example.com", 403),
        ("example.com", "https://example.com@evil.test", 403),
        ("example.com", "https://example.com#x", 403),
        ("example.com", "https://example.com:99999", 403),
        ("example.com", "https://example.com:4x3", 403),
        ("example.com", "https://example.com https://evil.test", 403),
        ("example.com", "https://ex\u{e4}mple.com", 403),
        ("xn--exmple-cua.com", "https://XN--EXMPLE-CUA.com", 101),
        ("xn--exmple-cua.com", "https://ex\u{e4}mple.com", 403),
        ("xn--exmple-cua.com", "https://exmple-cua.com", 403),
        ("xn--exmple-cua.com", "https://ex%C3%A4mple.com", 403),
        ("[2001:DB8::1]", "https://[2001:db8:0::1]:443", 101),
        ("[2001:db8::1]", "https://[2001:db8::2]", 403),
        ("[2001:db8::1]:8080", "http://[2001:db8::1]", 403),
        ("[2001:db8::1]", "http://2001:db8::1", 403),
        ("example.com", "NULL", 403),
        ("example.com", "//example.com", 403),
        ("example.com", "https:example.com", 403),
        ("example.com", "https://user:pass@example.com", 403),
        ("example.com", "https://example.com:", 101),
        ("example.com", "https://example.com.", 403),
        ("example.com", "wss://example.com", 403),
        ("[::1]", "http://[::1", 403),
        ("[::1]", "http://[::1]x", 403),
    ];
    for (host, origin, expected) in table {
        let changes = [("host", *host), ("origin", *origin)];
        assert_eq!(
            status(&changes),
            *expected,
            "host {host:?}, origin {origin:?}"
        );
    }
}

#[test]
fn repeated_origin_headers_are_refused() {
    let own = "https://example.com";
    assert_eq!(status(&[("origin", own), ("+origin", own)]), 403);
}

#[test]
fn a_request_without_a_usable_host_is_400() {
    assert_eq!(status(&[("-host", "")]), 400);
    assert_eq!(status(&[("+host", "example.com")]), 400);
    for host in [
        "",
        "user@example.com",
        "example.com/x",
        "a b",
        "[::1",
        ":80",
        "a:b",
        "\u{e9}",
    ] {
        assert_eq!(status(&[("host", host)]), 400, "{host:?}");
    }
}

#[test]
fn an_authority_in_the_target_takes_precedence_over_host() {
    let absolute = || Case {
        uri: "http://inner.test/chat",
        ..Case::default()
    };
    assert_eq!(absolute().status(&[("origin", "http://inner.test")]), 101);
    assert_eq!(absolute().status(&[("origin", "http://example.com")]), 403);
    assert_eq!(absolute().status(&[("-host", "")]), 101);
}

#[test]
fn public_url_is_the_own_origin() {
    let policy = AdmissionPolicy {
        public_url: "https://shop.test".parse().ok(),
        ..AdmissionPolicy::default()
    };
    let case = || Case {
        policy: policy.clone(),
        ..Case::default()
    };
    let from = |origin| [("host", "10.0.0.7:3030"), ("origin", origin)];
    assert_eq!(case().status(&from("https://shop.test")), 101);
    assert_eq!(case().status(&from("http://shop.test")), 403);
    assert_eq!(case().status(&from("http://10.0.0.7:3030")), 403);
}

#[test]
fn listed_origins_may_connect_and_a_route_s_list_takes_precedence() {
    let policy = AdmissionPolicy {
        origins: AllowedOrigins::Listed(vec!["https://partner.test".parse().unwrap()]),
        ..AdmissionPolicy::default()
    };
    let case = |origins| Case {
        access: RouteAccess { origins, ..OPEN },
        policy: policy.clone(),
        ..Case::default()
    };
    let from = |origin| [("origin", origin)];
    assert_eq!(case(None).status(&from("https://partner.test")), 101);
    assert_eq!(case(None).status(&from("https://example.com")), 101);
    assert_eq!(case(None).status(&from("http://partner.test")), 403);
    assert_eq!(
        case(Some(Origins::Same)).status(&from("https://partner.test")),
        403
    );
    let own = Some(Origins::List(&["http://app.test:8080", "no origin"]));
    assert_eq!(case(own).status(&from("http://app.test:8080")), 101);
    assert_eq!(case(own).status(&from("https://example.com")), 101);
    assert_eq!(case(own).status(&from("https://partner.test")), 403);
    assert_eq!(case(Some(Origins::Any)).status(&from("null")), 101);
    let any = AdmissionPolicy {
        origins: AllowedOrigins::Any,
        ..AdmissionPolicy::default()
    };
    let open = Case {
        policy: any.clone(),
        ..Case::default()
    };
    assert_eq!(open.status(&from("https://anybody.test")), 101);
    let strict = RouteAccess {
        origins: Some(Origins::Same),
        ..OPEN
    };
    let strict = Case {
        access: strict,
        policy: any,
        ..Case::default()
    };
    assert_eq!(strict.status(&from("https://anybody.test")), 403);
}

#[test]
fn display_of_an_origin_is_its_form_in_lists() {
    for (text, shown) in [
        ("HTTPS://Example.com:443", "https://example.com"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("http://[0::1]:80", "http://[::1]"),
        ("moz-extension://ab-cd", "moz-extension://ab-cd"),
    ] {
        assert_eq!(text.parse::<Origin>().unwrap().to_string(), shown);
    }
}
