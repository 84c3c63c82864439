//! The client's offers in `Sec-WebSocket-Protocol`: names of subprotocols (RFC 6455, section 1.9),
//! and the token, for which a browser has no other place.

use http::HeaderMap;
use http::header::SEC_WEBSOCKET_PROTOCOL;

use crate::fields::elements;

/// The element before the token.
const SCHEME: &[u8] = b"bearer";

/// One offer of a client.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Offer<'a> {
    /// The name of a subprotocol.
    Name(&'a [u8]),
    /// The element after `bearer`: a secret, not the name of a subprotocol. `None` if `bearer` is
    /// the last element.
    Token(Option<&'a [u8]>),
}

/// The client's offers, in its order.
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Formats offers as `name`, `(token)`, or `(-)` for a missing token.
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
    fn the_element_after_bearer_is_a_token() {
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
}
