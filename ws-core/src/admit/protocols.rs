//! Step 6: the subprotocol (RFC 6455, sections 1.9 and 4.2.2).

use http::HeaderMap;
use http::header::SEC_WEBSOCKET_PROTOCOL;

use super::{Door, elements};
use crate::error::Refusal;

/// The first of the route's subprotocols that the client offers; names are compared
/// letter by letter.
///
/// # Errors
///
/// 400 where what the client offers is no list of tokens, whether the route has
/// subprotocols or not.
pub(super) fn choose(door: Door, headers: &HeaderMap) -> Result<Option<&'static str>, Refusal> {
    if !headers.contains_key(SEC_WEBSOCKET_PROTOCOL) {
        return Ok(None);
    }
    let offered = || elements(headers, &SEC_WEBSOCKET_PROTOCOL);
    if offered().next().is_none() || !offered().all(is_token) {
        return Err(Refusal::BAD_REQUEST.body("`Sec-WebSocket-Protocol` is no list of names"));
    }
    let spoken = door.protocols.iter().copied();
    Ok(spoken
        .into_iter()
        .find(|name| offered().any(|offer| offer == name.as_bytes())))
}

/// RFC 9110, section 5.6.2.
fn is_token(text: &[u8]) -> bool {
    text.iter()
        .all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte))
}
