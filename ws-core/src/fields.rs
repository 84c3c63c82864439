//! Syntax that HTTP header fields have in common (RFC 9110, section 5.6).

use std::borrow::Cow;

use http::HeaderMap;
use http::header::HeaderName;

/// The elements of a header's comma-separated list: its lines are joined, blanks are trimmed, and
/// empty elements are skipped (section 5.6.1). Elements are bytes, because a value need not be
/// text.
///
/// ```
/// use http::{HeaderMap, header};
/// use ws_core::fields::elements;
///
/// let mut headers = HeaderMap::new();
/// headers.append("connection", "keep-alive, ,Upgrade".parse().unwrap());
/// headers.append("connection", "close".parse().unwrap());
/// let all: Vec<_> = elements(&headers, &header::CONNECTION).collect();
/// assert_eq!(all, [&b"keep-alive"[..], b"Upgrade", b"close"]);
/// ```
pub fn elements<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> impl Iterator<Item = &'a [u8]> + use<'a> {
    headers
        .get_all(name)
        .iter()
        .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|element| !element.is_empty())
}

/// Whether a text is a token (section 5.6.2).
///
/// ```
/// use ws_core::fields::is_token;
///
/// assert!(is_token(b"v2.chat"));
/// assert!(!is_token(b"v2 chat") && !is_token(b""));
/// ```
pub fn is_token(text: &[u8]) -> bool {
    let is_symbol = |byte| b"!#$%&'*+-.^_`|~".contains(byte);
    !text.is_empty()
        && text
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || is_symbol(byte))
}

/// Tracks quoted strings (section 5.6.4) while a text is read from its start.
#[derive(Default)]
pub(crate) struct QuoteTracker {
    open: bool,
    escaped: bool,
}

impl QuoteTracker {
    /// Advances by one byte; returns whether it is a separator outside quotes.
    pub(crate) fn is_separator(&mut self, byte: u8, separator: u8) -> bool {
        if self.escaped {
            self.escaped = false;
        } else if byte == b'"' {
            self.open = !self.open;
        } else if self.open {
            self.escaped = byte == b'\\';
        } else {
            return byte == separator;
        }
        false
    }
}

/// The value of a parameter without its quotes; `None` if the quotes are malformed.
pub(crate) fn unquote(text: &[u8]) -> Option<Cow<'_, [u8]>> {
    let Some(inner) = text.strip_prefix(b"\"") else {
        let plain = |byte: &u8| byte.is_ascii_graphic() && !b"\"\\".contains(byte);
        return (!text.is_empty() && text.iter().all(plain)).then_some(Cow::Borrowed(text));
    };
    let mut unquoted = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter();
    loop {
        match bytes.next()? {
            b'"' => break,
            b'\\' => unquoted.push(*bytes.next()?),
            byte => unquoted.push(*byte),
        }
    }
    bytes.as_slice().is_empty().then_some(Cow::Owned(unquoted))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_neither_separators_nor_blanks_and_is_not_empty() {
        assert!(is_token(b"v2.chat") && is_token(b"aZ09!#$%&'*+-.^_`|~"));
        for wrong in [&b""[..], b"a b", b"a/b", b"a=", b"a,b", b"\"a\"", b"\xe4"] {
            assert!(!is_token(wrong), "{wrong:?}");
        }
    }
}
