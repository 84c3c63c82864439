//! Headers that `init` adds to the response that opens the connection.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::header::{self, HeaderName};
use http::{HeaderMap, HeaderValue};

use crate::limits::MAX_RESPONSE_HEADERS;

/// The headers of one handshake; the handshake and its response share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct ResponseHeaders(Arc<Mutex<AddedHeaders>>);

#[derive(Debug, Default)]
struct AddedHeaders {
    headers: HeaderMap,
    /// The length of all names and values.
    bytes: usize,
}

/// Why a header cannot be part of the response to a handshake.
///
/// ```
/// use ws_server::extract::{Handshake, ResponseHeaderError};
///
/// let handshake = Handshake::default();
/// let refused = handshake.respond_with("upgrade", "h2c");
/// assert!(matches!(refused, Err(ResponseHeaderError::Reserved { name }) if name == "upgrade"));
/// ```
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ResponseHeaderError {
    /// The name is not a token (RFC 9110, section 5.1).
    #[error("the name of the response header is invalid; write a token such as `x-served-by`")]
    InvalidName,
    /// The value contains a control character.
    #[error("the value of the response header `{name}` is invalid; remove its control characters")]
    InvalidValue {
        /// The name of the header.
        name: HeaderName,
    },
    /// The header belongs to the connection or to the handshake itself.
    #[error(
        "`init` cannot set the response header `{name}`: it belongs to the connection or to the \
         handshake"
    )]
    Reserved {
        /// The name of the header.
        name: HeaderName,
    },
    /// All headers together are longer than [`MAX_RESPONSE_HEADERS`].
    #[error(
        "the response headers of `init` are longer than {MAX_RESPONSE_HEADERS} bytes; shorten \
         them, or send the values as messages"
    )]
    TooLarge,
}

impl ResponseHeaders {
    fn lock(&self) -> MutexGuard<'_, AddedHeaders> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a header.
    pub(super) fn add(
        &self,
        name: HeaderName,
        value: HeaderValue,
    ) -> Result<(), ResponseHeaderError> {
        if is_reserved(&name) {
            return Err(ResponseHeaderError::Reserved { name });
        }
        let mut added = self.lock();
        let bytes = added.bytes + name.as_str().len() + value.len();
        if bytes > MAX_RESPONSE_HEADERS {
            return Err(ResponseHeaderError::TooLarge);
        }
        added.bytes = bytes;
        added.headers.append(name, value);
        Ok(())
    }

    /// Takes all headers.
    pub(crate) fn take(&self) -> HeaderMap {
        std::mem::take(&mut self.lock().headers)
    }
}

/// Whether the header concerns only one connection (RFC 9110, section 7.6.1), the body, which a
/// handshake does not have, or the handshake (RFC 6455, section 11.3).
fn is_reserved(name: &HeaderName) -> bool {
    const CONNECTION: [HeaderName; 8] = [
        header::CONNECTION,
        header::CONTENT_LENGTH,
        header::PROXY_AUTHENTICATE,
        header::PROXY_AUTHORIZATION,
        header::TE,
        header::TRAILER,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
    ];
    let text = name.as_str();
    CONNECTION.contains(name)
        || matches!(text, "keep-alive" | "proxy-connection")
        || text.starts_with("sec-websocket-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extract::Handshake;

    #[test]
    fn headers_of_the_connection_and_of_the_handshake_are_reserved() {
        let handshake = Handshake::default();
        for name in [
            "Connection",
            "content-length",
            "keep-alive",
            "proxy-authenticate",
            "proxy-authorization",
            "proxy-connection",
            "te",
            "trailer",
            "transfer-encoding",
            "upgrade",
            "Sec-WebSocket-Accept",
            "sec-websocket-anything",
        ] {
            let name_of_error = HeaderName::try_from(name).unwrap();
            let reserved = ResponseHeaderError::Reserved {
                name: name_of_error,
            };
            assert_eq!(handshake.respond_with(name, "x"), Err(reserved), "{name}");
        }
        assert!(handshake.response.take().is_empty());
    }

    #[test]
    fn values_cannot_begin_another_header() {
        let handshake = Handshake::default();
        let name = HeaderName::from_static("x-node");
        let invalid = ResponseHeaderError::InvalidValue { name };
        assert_eq!(handshake.respond_with("x-node", "7\r\nx: y"), Err(invalid));
        let name = handshake.respond_with("x node", "7");
        assert_eq!(name, Err(ResponseHeaderError::InvalidName));
        assert!(handshake.response.take().is_empty());
    }

    #[test]
    fn all_headers_together_are_bounded() {
        let handshake = Handshake::default();
        let half = "x".repeat(MAX_RESPONSE_HEADERS / 2 - 1);
        assert_eq!(handshake.respond_with("a", &half), Ok(()));
        assert_eq!(handshake.respond_with("b", &half), Ok(()));
        let more = handshake.respond_with("c", "");
        assert_eq!(more, Err(ResponseHeaderError::TooLarge));
        assert_eq!(handshake.response.take().len(), 2);
    }
}
