//! What a client offers in `Sec-WebSocket-Protocol`: names of subprotocols (RFC 6455,
//! section 1.9), and the token that a browser can put nowhere else.

use http::HeaderMap;
use http::header::{HeaderName, SEC_WEBSOCKET_PROTOCOL};

/// The element that says that the next one is a token.
const SCHEME: &[u8] = b"bearer";

/// One thing that a client offers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Offer<'a> {
    /// The name of a subprotocol.
    Name(&'a [u8]),
    /// `bearer` and the element behind it: a secret, and no offer. `None` where nothing
    /// stands behind it.
    Token(Option<&'a [u8]>),
}

/// What the client offers, in its order.
pub(crate) fn offers(headers: &HeaderMap) -> impl Iterator<Item = Offer<'_>> {
    let mut elements = elements(headers, &SEC_WEBSOCKET_PROTOCOL);
    std::iter::from_fn(move || {
        let element = elements.next()?;
        Some(if element.eq_ignore_ascii_case(SCHEME) {
            Offer::Token(elements.next())
        } else {
            Offer::Name(element)
        })
    })
}

/// The elements of a header's comma-separated list, its lines joined, blanks trimmed,
/// empty elements left out (RFC 9110, section 5.6.1). Bytes: a value need not be text.
pub(crate) fn elements<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> impl Iterator<Item = &'a [u8]> {
    headers
        .get_all(name)
        .iter()
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|element| !element.is_empty())
}

/// Whether a text is a token of HTTP (RFC 9110, section 5.6.2).
pub(crate) fn is_token(text: &[u8]) -> bool {
    let is_sign = |byte| b"!#$%&'*+-.^_`|~".contains(byte);
    !text.is_empty()
        && text
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || is_sign(byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `name`, `(token)`, `(-)` for a missing token.
    fn read(lines: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(SEC_WEBSOCKET_PROTOCOL, line.parse().unwrap());
        }
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let shown = offers(&headers).map(|offer| match offer {
            Offer::Name(name) => text(name),
            Offer::Token(token) => format!("({})", token.map_or("-".to_owned(), text)),
        });
        shown.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn what_stands_behind_bearer_is_a_token_and_no_name() {
        assert_eq!(read(&["v2, v1"]), "v2 v1");
        assert_eq!(read(&["v2, bearer, abc, v1"]), "v2 (abc) v1");
        assert_eq!(read(&["BEARER , abc"]), "(abc)");
        assert_eq!(read(&["bearer, bearer, v1"]), "(bearer) v1");
        assert_eq!(read(&["bearer, abc, bearer, def"]), "(abc) (def)");
        assert_eq!(read(&["v1, bearer"]), "v1 (-)");
        assert_eq!(read(&[]), "");
    }

    #[test]
    fn lines_of_the_header_are_one_list() {
        assert_eq!(read(&["v2, bearer", ", abc,,", "v1"]), "v2 (abc) v1");
    }

    #[test]
    fn a_token_has_neither_separators_nor_blanks_and_is_not_empty() {
        assert!(is_token(b"v2.chat") && is_token(b"aZ09!#$%&'*+-.^_`|~"));
        for wrong in [&b""[..], b"a b", b"a/b", b"a=", b"a,b", b"\"a\"", b"\xe4"] {
            assert!(!is_token(wrong), "{wrong:?}");
        }
    }
}
