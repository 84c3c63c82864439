//! Reads the credentials of a handshake.

use http::HeaderMap;

use crate::extract::Bearer;
use crate::page::Credentials;

/// The credentials with which `init` decides about the client of the page with this id: what
/// [`Bearer`] reads, wherever the token is, and other lines of `Authorization`.
pub(super) fn of(headers: &HeaderMap, page: &str) -> Credentials {
    let token = Bearer::presented(headers);
    let lines = headers.get_all(http::header::AUTHORIZATION).iter();
    let lines = lines.map(http::HeaderValue::as_bytes);
    let lines = lines.filter(|line| token.is_none() || !Bearer::is_in(line));
    let text = token.as_ref().map(Bearer::token);
    Credentials::new(page, text, lines)
}

#[cfg(test)]
mod tests {
    use http::header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL};

    use super::*;

    /// The credentials of these lines: `a` for `Authorization`, `p` for the list of subprotocols.
    fn read(lines: &[(char, &'static str)]) -> Credentials {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            let name = match name {
                'a' => AUTHORIZATION,
                _ => SEC_WEBSOCKET_PROTOCOL,
            };
            headers.append(name, http::HeaderValue::from_static(value));
        }
        of(&headers, "page")
    }

    #[test]
    fn a_token_counts_wherever_it_is() {
        let header = read(&[('a', "Bearer t0p")]);
        assert!(header == read(&[('a', "bearer  t0p"), ('p', "page.v1")]));
        assert!(header == read(&[('p', "page.v1, bearer, t0p")]));
        assert!(header == read(&[('a', "Bearer t0p"), ('p', "bearer, other")]));
        for other in ["Bearer T0P", "Bearer t0", "Basic t0p", "t0p"] {
            assert!(header != read(&[('a', other)]), "{other}");
        }
    }

    #[test]
    fn other_schemes_and_malformed_tokens_count_too() {
        let none = read(&[]);
        assert!(none == read(&[('p', "page.v1")]));
        let basic = read(&[('a', "Basic YTpi")]);
        assert!(basic != none && basic != read(&[('a', "Basic YTpj")]));
        assert!(basic != read(&[('a', "Basic YTpi"), ('p', "bearer, t0p")]));
        let malformed = read(&[('a', "Bearer a,b")]);
        assert!(malformed != none && malformed != read(&[('a', "Bearer a,c")]));
    }
}
