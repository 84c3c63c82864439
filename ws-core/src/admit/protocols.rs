//! Step 6: the subprotocol (RFC 6455, sections 1.9 and 4.2.2).

use http::HeaderMap;
use http::header::SEC_WEBSOCKET_PROTOCOL;

use super::RouteAccess;
use crate::error::Refusal;
use crate::extract::{Offer, offers};
use crate::fields::{elements, is_token};

/// Returns the first of the route's subprotocols that the client offers; names are compared
/// exactly. `bearer` and the token after it are never chosen, even if the route lists them, because
/// the chosen name is sent back.
///
/// # Errors
///
/// 400 if the client's list is not a list of tokens, even if the route has no subprotocols.
pub(super) fn choose(
    access: RouteAccess,
    headers: &HeaderMap,
) -> Result<Option<&'static str>, Refusal> {
    if !headers.contains_key(SEC_WEBSOCKET_PROTOCOL) {
        return Ok(None);
    }
    let mut elements = elements(headers, &SEC_WEBSOCKET_PROTOCOL).peekable();
    if elements.peek().is_none() || !elements.all(is_token) {
        return Err(Refusal::BAD_REQUEST
            .body("the header `Sec-WebSocket-Protocol` is not a list of tokens"));
    }
    let is_offered =
        |name: &&&str| offers(headers).any(|offer| offer == Offer::Name(name.as_bytes()));
    Ok(access.protocols.iter().find(is_offered).copied())
}
