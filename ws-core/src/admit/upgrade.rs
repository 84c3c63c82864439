//! Step 2: whether the request is an opening handshake (RFC 6455, section 4.2.1).

use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version};

use super::{Accept, Request, RequestLog, single_value};
use crate::error::Refusal;
use crate::fields::elements;
use crate::protocol::{accept_key, is_valid_key};

/// The result of checking a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum UpgradeRequest {
    /// A handshake, with the response to its key.
    Valid(Accept),
    /// A GET that asks for no upgrade, or cannot get one.
    Absent(NoUpgrade),
}

/// The methods that a route accepts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Methods {
    Get,
    /// Page streams over HTTP use POST, too. Those have their own admission.
    GetAndPost,
}

/// Why a GET does not become a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum NoUpgrade {
    /// It does not ask for an upgrade.
    NotRequested,
    /// It has the headers of a handshake, but no `Upgrade`.
    HeaderMissing,
    /// It asks over a connection that cannot be upgraded.
    HttpVersion,
}

impl UpgradeRequest {
    /// Returns the response to the key.
    ///
    /// # Errors
    ///
    /// 426 for a GET that does not become a connection.
    pub(super) fn accept(self) -> Result<Accept, Refusal> {
        match self {
            Self::Valid(accept) => Ok(accept),
            Self::Absent(NoUpgrade::NotRequested) => Err(upgrade_required(
                "This is a WebSocket endpoint: connect with a WebSocket client (RFC 6455).",
            )),
            Self::Absent(NoUpgrade::HeaderMissing) => Err(upgrade_required(
                "This is a WebSocket endpoint. The request is a handshake without the header \
                 `Upgrade: websocket`: a proxy has removed it. Let the proxy send `Upgrade` and \
                 `Connection: upgrade` over HTTP/1.1; in nginx: `proxy_http_version 1.1`, \
                 `proxy_set_header Upgrade $http_upgrade`, `proxy_set_header Connection upgrade`.",
            )),
            Self::Absent(NoUpgrade::HttpVersion) => Err(upgrade_required(
                "This is a WebSocket endpoint: it needs HTTP/1.1 from end to end, with the \
                 headers `Connection: Upgrade` and `Upgrade: websocket`. A proxy may have asked \
                 over HTTP/1.0; in nginx: `proxy_http_version 1.1`.",
            )),
        }
    }
}

/// Checks a request in the order method, upgrade, body, version, key. Logs a failure that a proxy
/// may have caused.
///
/// # Errors
///
/// 405, 426 or 400, each with a body that explains the reason.
pub(super) fn check(
    request: &Request<'_>,
    methods: Methods,
    request_log: &RequestLog,
) -> Result<UpgradeRequest, Refusal> {
    if *request.method != Method::GET {
        let (allow, body) = match methods {
            Methods::Get => ("GET", "a WebSocket endpoint accepts only GET"),
            Methods::GetAndPost => (
                "GET, POST",
                "the endpoint of a page stream accepts only GET and POST",
            ),
        };
        return Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED)
            .header(header::ALLOW, HeaderValue::from_static(allow))
            .body(body));
    }
    let headers = request.headers;
    if !has_element(headers, &header::UPGRADE, "websocket") {
        if !is_handshake(headers) {
            return Ok(UpgradeRequest::Absent(NoUpgrade::NotRequested));
        }
        request_log.missing_upgrade_header("Upgrade", request.peer);
        return Ok(UpgradeRequest::Absent(NoUpgrade::HeaderMissing));
    }
    // HTTP/1.0 has no upgrade, and HTTP/2 uses another mechanism (RFC 9113, section 8.2.2).
    if !request.can_upgrade
        || request
            .version
            .is_some_and(|known| known != Version::HTTP_11)
    {
        return Ok(UpgradeRequest::Absent(NoUpgrade::HttpVersion));
    }
    if !has_element(headers, &header::CONNECTION, "upgrade") {
        request_log.missing_upgrade_header("Connection", request.peer);
        return Err(Refusal::BAD_REQUEST.body(
            "the header `Connection` must name `Upgrade`; if a proxy has replaced it, let the \
             proxy send `Connection: upgrade`",
        ));
    }
    no_body(headers)?;
    version(headers)?;
    key(headers).map(UpgradeRequest::Valid)
}

/// Whether a request asks for a WebSocket connection, even if it is malformed.
pub fn asks_for_upgrade(headers: &HeaderMap) -> bool {
    has_element(headers, &header::UPGRADE, "websocket") || is_handshake(headers)
}

/// Whether a request without `Upgrade` was sent as a handshake. Only WebSocket clients send these
/// headers, and a proxy that does not know them passes them on.
fn is_handshake(headers: &HeaderMap) -> bool {
    headers.contains_key(header::SEC_WEBSOCKET_KEY)
        || headers.contains_key(header::SEC_WEBSOCKET_VERSION)
}

/// Refuses a request with a body. The server reads the bytes after the head as frames, but a proxy
/// in front of it would read them as the body (RFC 9112, section 11.2).
fn no_body(headers: &HeaderMap) -> Result<(), Refusal> {
    let mut lengths = headers.get_all(&header::CONTENT_LENGTH).iter();
    if headers.contains_key(&header::TRANSFER_ENCODING)
        || lengths.any(|length| length.as_bytes().trim_ascii() != b"0")
    {
        return Err(Refusal::BAD_REQUEST.body("an opening handshake must not have a body"));
    }
    Ok(())
}

/// Section 4.2.1, item 6; section 4.4 defines the response to another version.
fn version(headers: &HeaderMap) -> Result<(), Refusal> {
    match single_value(headers, &header::SEC_WEBSOCKET_VERSION) {
        Err(_) => {
            Err(Refusal::BAD_REQUEST
                .body("the header `Sec-WebSocket-Version` appears more than once"))
        }
        Ok(Some(version)) if version.as_bytes().trim_ascii() == b"13" => Ok(()),
        Ok(_) => Err(upgrade_required(
            "the header `Sec-WebSocket-Version` must be 13",
        )),
    }
}

/// Section 4.2.1, item 5.
fn key(headers: &HeaderMap) -> Result<Accept, Refusal> {
    let wrong = |body| Err(Refusal::BAD_REQUEST.body(body));
    let key = match single_value(headers, &header::SEC_WEBSOCKET_KEY) {
        Err(_) => return wrong("the header `Sec-WebSocket-Key` appears more than once"),
        Ok(None) => return wrong("the header `Sec-WebSocket-Key` is missing"),
        Ok(Some(key)) => key.as_bytes().trim_ascii(),
    };
    if !is_valid_key(key) {
        return wrong("`Sec-WebSocket-Key` must be the base64 of 16 bytes");
    }
    match HeaderValue::try_from(accept_key(key)) {
        Ok(accept) => Ok(Accept(accept)),
        Err(_) => wrong("`Sec-WebSocket-Key` must be the base64 of 16 bytes"),
    }
}

/// 426, with the headers that RFC 9110, section 15.5.22, and RFC 6455, section 4.4, require.
fn upgrade_required(body: &'static str) -> Refusal {
    Refusal::new(StatusCode::UPGRADE_REQUIRED)
        .header(header::CONNECTION, HeaderValue::from_static("Upgrade"))
        .header(header::UPGRADE, HeaderValue::from_static("websocket"))
        .header(
            header::SEC_WEBSOCKET_VERSION,
            HeaderValue::from_static("13"),
        )
        .body(body)
}

/// Whether the list in this header contains the element; case is ignored.
fn has_element(headers: &HeaderMap, name: &HeaderName, element: &str) -> bool {
    elements(headers, name).any(|found| found.eq_ignore_ascii_case(element.as_bytes()))
}
