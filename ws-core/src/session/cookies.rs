//! Cookies of a request (RFC 6265, section 4.2.1).

use http::HeaderMap;
use http::header::COOKIE;

use crate::fields::is_token;

/// Returns the value of a cookie if exactly one cookie has this name and its value is visible
/// ASCII.
///
/// If two cookies have the name, the result is `None`: a page of a neighbouring host may have
/// planted the second one, and the request does not show which one is genuine. Only the library's
/// own session cookie may appear several times: [`Sessions::find`](super::Sessions::find) asks the
/// store which one is live.
///
/// ```
/// use http::HeaderMap;
/// use ws_server::session::cookies;
///
/// let mut headers = HeaderMap::new();
/// headers.insert("cookie", "a=1; b=2; b=3".parse().unwrap());
/// assert_eq!(cookies::value(&headers, "a"), Some("1"));
/// assert_eq!(cookies::value(&headers, "b"), None);
/// ```
pub fn value<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let value = only(headers, name)?;
    let text = std::str::from_utf8(value).ok()?;
    text.bytes()
        .all(|byte| byte.is_ascii_graphic())
        .then_some(text)
}

/// The bytes of the only cookie of this name. The values of other cookies do not matter.
fn only<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h [u8]> {
    let mut values = all(headers, name);
    let first = values.next()?;
    values.next().is_none().then_some(first)
}

/// The bytes of every cookie of this name, in the order of the request.
pub(super) fn all<'h>(headers: &'h HeaderMap, name: &str) -> impl Iterator<Item = &'h [u8]> {
    let lines = headers.get_all(COOKIE).iter();
    let pairs = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b';'));
    pairs.filter_map(move |pair| {
        let value = pair.trim_ascii_start().strip_prefix(name.as_bytes())?;
        value.strip_prefix(b"=").map(<[u8]>::trim_ascii_end)
    })
}

/// Whether a cookie can have this name: a token (RFC 6265, section 4.1.1) without a prefix such as
/// `__Host-`.
pub(super) fn is_name(name: &str) -> bool {
    !name.starts_with("__") && is_token(name.as_bytes())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(lines: &[&[u8]]) -> HeaderMap {
        let lines = lines
            .iter()
            .map(|line| (COOKIE, HeaderValue::from_bytes(line).unwrap()));
        lines.collect()
    }

    #[test]
    fn a_cookie_is_found_among_others_and_in_any_line() {
        let table: [&[&[u8]]; 6] = [
            &[b"z=1"],
            &[b"a=2; z=1"],
            &[b"a=2;z=1 ;b=3"],
            &[b"a=2", b"z=1; b=3"],
            &[b"zz=2; az=3; Z=4; z=1; z"],
            &[b"a=\xff\xfe; z=1"],
        ];
        for lines in table {
            assert_eq!(value(&headers(lines), "z"), Some("1"), "{lines:?}");
        }
    }

    #[test]
    fn a_repeated_cookie_is_ignored() {
        for lines in [
            &[&b"z=1; z=1"[..]][..],
            &[b"z=1", b"z=2"],
            &[b"z=; a=1; z=1"],
        ] {
            assert_eq!(only(&headers(lines), "z"), None, "{lines:?}");
        }
    }

    #[test]
    fn a_value_is_not_unquoted() {
        assert_eq!(value(&headers(&[b"z=\"1\""]), "z"), Some("\"1\""));
        assert_eq!(value(&headers(&[b"z=a=b"]), "z"), Some("a=b"));
        assert_eq!(value(&headers(&[b"z="]), "z"), Some(""));
        assert_eq!(value(&headers(&[b"z=\xff"]), "z"), None);
        assert_eq!(value(&headers(&[b"z=a b"]), "z"), None);
        assert_eq!(value(&headers(&[b"z"]), "z"), None);
        assert_eq!(value(&HeaderMap::new(), "z"), None);
    }

    #[test]
    fn names_are_tokens_without_a_prefix() {
        for name in ["z_sid", "sid", "app.sid-2"] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", "__Host-sid", "a b", "a;b", "a=b", "a\r\nb", "sïd"] {
            assert!(!is_name(name), "{name}");
        }
    }
}
