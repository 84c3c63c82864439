//! WebSocket handshakes over HTTP/2 (RFC 8441), translated to those of HTTP/1.1.
//!
//! Routers of applications and admission know one kind of handshake: a GET with `Upgrade`. So an
//! extended CONNECT becomes such a GET before they see it, and the 101 becomes a 200 behind them.

use http::header::{CONNECTION, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, UPGRADE};
use http::{Method, Request, Response, StatusCode};
use hyper::ext::Protocol;
use ws_core::error::Refusal;

/// The key of a translated handshake. HTTP/2 has none, and no client gets the response to it.
const KEY: HeaderValue = HeaderValue::from_static("AAAAAAAAAAAAAAAAAAAAAA==");

/// Translates an extended CONNECT, and returns whether it was one; other requests stay as they are.
///
/// # Errors
///
/// 501 for any protocol but `websocket`.
pub(crate) fn translate_request<B>(request: &mut Request<B>) -> Result<bool, Refusal> {
    if *request.method() != Method::CONNECT {
        return Ok(false);
    }
    match request.extensions().get::<Protocol>().map(Protocol::as_str) {
        None => return Ok(false),
        Some("websocket") => {}
        Some(_) => {
            return Err(Refusal::new(StatusCode::NOT_IMPLEMENTED)
                .body("the only protocol that this server speaks over CONNECT is `websocket`"));
        }
    }
    *request.method_mut() = Method::GET;
    let headers = request.headers_mut();
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(SEC_WEBSOCKET_KEY, KEY);
    Ok(true)
}

/// Translates the response to an extended CONNECT.
///
/// # Errors
///
/// 404 for the response to a plain GET, such as a page of the application: it must not be sent,
/// because any 2xx opens the stream.
pub(crate) fn translate_response<B>(response: &mut Response<B>) -> Result<(), Refusal> {
    if response.status().is_success() {
        return Err(Refusal::NOT_FOUND);
    }
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        *response.status_mut() = StatusCode::OK;
        for name in [CONNECTION, UPGRADE, SEC_WEBSOCKET_ACCEPT] {
            response.headers_mut().remove(name);
        }
    }
    Ok(())
}
