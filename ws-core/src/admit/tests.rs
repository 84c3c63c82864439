//! Each status of each step; an earlier step takes precedence over a later one.

use std::cell::Cell;

use super::*;
use crate::session::Sessions;

mod allowed;
mod forwarded;
mod origin;
mod sites;
mod upgrade;
mod visitor;

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

const OPEN: RouteAccess = RouteAccess {
    name: "open",
    require_session: false,
    require_page: false,
    attach_page: false,
    needs_visitor: false,
    origins: None,
    protocols: &["v2.chat", "v1.chat"],
    deflate: false,
    page_stream: false,
};

/// The headers of a valid handshake, changed by a test.
fn changed(changes: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let right = [
        ("host", "example.com"),
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", KEY),
    ];
    for (name, value) in right {
        headers.insert(name, HeaderValue::from_static(value));
    }
    for (name, value) in changes {
        // "-name" removes a header, "+name" adds a line, "name" replaces the header.
        let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
        if let Some(name) = name.strip_prefix('-') {
            headers.remove(name);
        } else if let Some(name) = name.strip_prefix('+') {
            headers.append(name, value);
        } else {
            headers.insert(*name, value);
        }
    }
    headers
}

/// Runs all six steps for one request, and returns the refusal or the admitted request.
struct Case {
    method: Method,
    version: Option<Version>,
    uri: &'static str,
    can_upgrade: bool,
    over_tls: bool,
    peer: Option<SocketAddr>,
    access: RouteAccess,
    policy: AdmissionPolicy,
    visitor: Result<FoundVisitor, SessionError>,
    closing: bool,
    full: Option<NoPermit>,
}

impl Default for Case {
    fn default() -> Self {
        Self {
            method: Method::GET,
            version: Some(Version::HTTP_11),
            uri: "/chat?token=secret",
            can_upgrade: true,
            over_tls: false,
            peer: None,
            access: OPEN,
            policy: AdmissionPolicy::default(),
            visitor: Ok(FoundVisitor::default()),
            closing: false,
            full: None,
        }
    }
}

impl Case {
    /// Returns the result for the request with these changes.
    fn with_request<T>(
        &self,
        changes: &[(&'static str, &str)],
        of: impl FnOnce(&Request<'_>) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let (uri, headers) = (self.uri.parse().unwrap(), changed(changes));
        of(&Request {
            method: &self.method,
            version: self.version,
            uri: &uri,
            headers: &headers,
            peer: self.peer,
            over_tls: self.over_tls,
            can_upgrade: self.can_upgrade,
        })
    }

    fn check(&self, changes: &[(&'static str, &str)]) -> Result<CheckedRequest, Refusal> {
        self.with_request(changes, |request| {
            check_request(self.access, request, &self.policy)
        })
    }

    fn admit(self, changes: &[(&'static str, &str)]) -> Result<Admission<()>, Refusal> {
        let known = self.check(changes)?.identify(self.visitor)?;
        known.admit(self.closing, |_| self.full.map_or(Ok(()), Err))
    }

    fn status(self, changes: &[(&'static str, &str)]) -> u16 {
        self.admit(changes)
            .map_or_else(|refusal| refusal.status().as_u16(), |_| 101)
    }
}

fn status(changes: &[(&'static str, &str)]) -> u16 {
    Case::default().status(changes)
}

#[test]
fn step_5_sends_retry_after() {
    let full = Case {
        full: Some(NoPermit::Server),
        ..Case::default()
    }
    .admit(&[])
    .unwrap_err();
    let response = full.into_response();
    assert_eq!(
        (
            response.status().as_u16(),
            response.headers()["retry-after"].to_str().unwrap()
        ),
        (503, "5")
    );
    let closing = Case {
        closing: true,
        ..Case::default()
    }
    .admit(&[])
    .unwrap_err();
    let response = closing.into_response();
    assert_eq!(
        (
            response.status().as_u16(),
            response.headers()["retry-after"].to_str().unwrap()
        ),
        (503, "5")
    );
    assert_eq!(
        Case {
            full: Some(NoPermit::Address),
            ..Case::default()
        }
        .status(&[]),
        429
    );
}

#[test]
fn step_6_chooses_the_route_s_first_subprotocol_that_the_client_offers() {
    let chosen = |offers: &[(&'static str, &str)]| {
        let admission = Case::default().admit(offers).unwrap();
        let response = admission
            .accept
            .response(admission.protocol, admission.deflate);
        let header = response.headers().get("sec-websocket-protocol");
        header.map(|value| value.to_str().unwrap().to_owned())
    };
    let header = "sec-websocket-protocol";
    assert_eq!(
        chosen(&[(header, "v1.chat, v2.chat")]).as_deref(),
        Some("v2.chat")
    );
    assert_eq!(
        chosen(&[(header, "other"), ("+sec-websocket-protocol", "v1.chat")]).as_deref(),
        Some("v1.chat")
    );
    assert_eq!(chosen(&[(header, "V2.CHAT, mqtt")]), None);
    assert_eq!(
        chosen(&[(header, ",v2.chat,,")]).as_deref(),
        Some("v2.chat")
    );
    for wrong in [
        "",
        ",",
        "v2 chat",
        "v2.chat;q=1",
        "\"v2.chat\"",
        "v2.ch\u{e4}t",
        "a, b c",
    ] {
        assert_eq!(status(&[(header, wrong)]), 400, "{wrong:?}");
    }
}

#[test]
fn step_6_never_chooses_a_bearer_token() {
    let secret = RouteAccess {
        protocols: &["t0ken", "bearer", "v1.chat"],
        ..OPEN
    };
    let chosen = |offer| {
        let case = Case {
            access: secret,
            ..Case::default()
        };
        let admission = case.admit(&[("sec-websocket-protocol", offer)]);
        admission.unwrap().protocol
    };
    assert_eq!(chosen("t0ken"), Some("t0ken"));
    assert_eq!(chosen("v1.chat, bearer, t0ken"), Some("v1.chat"));
    assert_eq!(chosen("bearer, t0ken, v1.chat"), Some("v1.chat"));
    for nothing in [
        "bearer, t0ken",
        "Bearer, t0ken",
        "bearer",
        "bearer, v1.chat",
    ] {
        assert_eq!(chosen(nothing), None, "{nothing}");
    }
    // Browser tokens are names too; otherwise the header is malformed.
    let header = "sec-websocket-protocol";
    assert_eq!(status(&[(header, "v1.chat, bearer, YQ==")]), 400);
}

#[test]
fn the_debug_output_of_a_request_hides_what_may_be_secret() {
    let headers = changed(&[
        ("cookie", "z_sid=secret"),
        ("authorization", "Bearer secret"),
        ("sec-websocket-protocol", "bearer, secret"),
    ]);
    let uri = Uri::from_static("/chat?token=secret");
    let request = Request {
        method: &Method::GET,
        version: None,
        uri: &uri,
        headers: &headers,
        peer: Some(([127, 0, 0, 1], 80).into()),
        over_tls: false,
        can_upgrade: true,
    };
    let shown = r#"Request { path: "/chat", peer: Some(127.0.0.1:80), .. }"#;
    assert_eq!(format!("{request:?}"), shown);
}

#[test]
fn an_earlier_step_takes_precedence_over_later_ones() {
    // Everything is wrong at once; each line repairs one more step.
    let wrong = || Case {
        method: Method::POST,
        access: RouteAccess {
            require_session: true,
            ..OPEN
        },
        closing: true,
        full: Some(NoPermit::Address),
        ..Case::default()
    };
    let headers: &[(&'static str, &str)] = &[
        ("connection", "close"),
        ("sec-websocket-version", "7"),
        ("sec-websocket-key", "x"),
        ("-host", ""),
        ("origin", "null"),
        ("sec-websocket-protocol", "a b"),
    ];
    assert_eq!(wrong().status(headers), 405);
    let get = || Case {
        method: Method::GET,
        ..wrong()
    };
    assert_eq!(
        get().admit(headers).unwrap_err().text(),
        "the header `Connection` must name `Upgrade`; if a proxy has replaced it, let the proxy \
         send `Connection: upgrade`"
    );
    assert_eq!(get().status(&headers[1..]), 426);
    assert_eq!(
        get().admit(&headers[2..]).unwrap_err().text(),
        "`Sec-WebSocket-Key` must be the base64 of 16 bytes"
    );
    assert_eq!(
        get().admit(&headers[3..]).unwrap_err().text(),
        "the header `Host` is missing"
    );
    assert_eq!(
        get().admit(&headers[4..]).unwrap_err().text(),
        "connections from this origin are not accepted"
    );
    let last = &headers[5..];
    assert_eq!(
        get().admit(last).unwrap_err().text(),
        "this endpoint requires a session of this site: the request has no session cookie"
    );
    let known = || Case {
        access: OPEN,
        ..get()
    };
    assert_eq!(known().status(last), 503);
    assert_eq!(
        Case {
            closing: false,
            ..known()
        }
        .status(last),
        429
    );
    assert_eq!(
        Case {
            closing: false,
            full: None,
            ..known()
        }
        .status(last),
        400
    );
}

#[test]
fn a_plain_get_runs_steps_3_to_5_before_its_426() {
    let plain = |more: &[(&'static str, &'static str)]| {
        [&[("-upgrade", ""), ("sec-websocket-protocol", "a b")], more].concat()
    };
    assert_eq!(status(&plain(&[("origin", "null")])), 403);
    let access = RouteAccess {
        require_session: true,
        ..OPEN
    };
    assert_eq!(
        Case {
            access,
            ..Case::default()
        }
        .status(&plain(&[])),
        403
    );
    assert_eq!(
        Case {
            full: Some(NoPermit::Address),
            ..Case::default()
        }
        .status(&plain(&[])),
        429
    );
    assert_eq!(
        Case {
            closing: true,
            ..Case::default()
        }
        .status(&plain(&[])),
        503
    );
    assert_eq!(status(&plain(&[])), 426);
}

#[test]
fn the_permit_is_released_if_a_later_step_refuses() {
    struct CountedPermit<'a>(&'a Cell<i32>);
    impl Drop for CountedPermit<'_> {
        fn drop(&mut self) {
            self.0.set(self.0.get() - 1);
        }
    }
    let permits = Cell::new(0);
    let headers = changed(&[("sec-websocket-protocol", "a b")]);
    let uri = Uri::from_static("/");
    let request = Request {
        method: &Method::GET,
        version: None,
        uri: &uri,
        headers: &headers,
        peer: None,
        over_tls: false,
        can_upgrade: true,
    };
    let known = check_request(OPEN, &request, &AdmissionPolicy::default())
        .unwrap()
        .identify(Ok(Visitor::default()));
    let admission = known.unwrap().admit(false, |_| {
        permits.set(permits.get() + 1);
        Ok(CountedPermit(&permits))
    });
    assert_eq!(admission.map(|_| ()).unwrap_err().status(), 400);
    assert_eq!(permits.get(), 0);
}
