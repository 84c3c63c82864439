//! The syntax of `Forwarded` (RFC 7239, section 4), and of the addresses in it.
//!
//! A proxy may append its element to a header line that the client began. So every element is
//! parsed, and a line that is malformed anywhere is an error: if an unfinished quote were skipped,
//! it could hide the proxy's element. A quote opens only at the start of a value, and must close on
//! the same line. The parser accepts one thing beyond the grammar, because proxies write it: an
//! unquoted value may contain characters that are not allowed in a token, as in
//! `host=a.example:8080`.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use http::StatusCode;

use super::Scheme;
use crate::admit::host::Host;
use crate::fields::{self, is_token};

/// The maximum number of pairs in one element: RFC 7239 defines four.
const MAX_PAIRS: usize = 32;

/// Why a `Forwarded` header is malformed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ForwardedError {
    /// A pair without `=`.
    #[error("a pair has no `=`")]
    NoEquals,
    /// The name of a pair is not a token.
    #[error("the name of a pair is not a token")]
    Name,
    /// A quote is not closed on its line.
    #[error("a quoted value does not end")]
    UnfinishedQuote,
    /// A quoted value is followed by something other than the next pair or element.
    #[error("a quoted value is followed by neither `;` nor `,`")]
    AfterQuote,
    /// An unquoted value is empty or contains a blank, a quote, a backslash or a character outside
    /// ASCII.
    #[error("a value without quotes is empty or has a character that needs quotes")]
    Value,
    /// Two pairs of one element have the same name.
    #[error("two pairs of one element have the same name")]
    Repeated,
    /// An element has more pairs than the server reads.
    #[error("an element has more than {MAX_PAIRS} pairs")]
    TooManyPairs,
}

impl ForwardedError {
    /// The status of the response to a request with such a header: 400.
    pub const fn status(&self) -> StatusCode {
        StatusCode::BAD_REQUEST
    }
}

/// The pairs of one element that the server uses, not yet unquoted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Pairs<'a> {
    node: Option<&'a [u8]>,
    proto: Option<&'a [u8]>,
    host: Option<&'a [u8]>,
}

/// The values that one proxy forwarded about the request.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Element {
    /// `None` for `unknown`, for a hidden name such as `_proxy7`, and for any other text that is
    /// not an address.
    pub(super) address: Option<SocketAddr>,
    pub(super) scheme: Option<Scheme>,
    pub(super) host: Option<Host>,
}

impl Pairs<'_> {
    pub(super) fn parse(self) -> Element {
        let value = |written: Option<&[u8]>| fields::unquote(written?).map(Cow::into_owned);
        Element {
            address: value(self.node).and_then(|node| address(&node)),
            scheme: value(self.proto).and_then(|proto| Scheme::parse(&proto)),
            host: value(self.host).and_then(|host| self::host(&host)),
        }
    }
}

/// The elements of one header line, from left to right, without empty ones, as in every list (RFC
/// 9110, section 5.6.1). After an error the iterator ends.
pub(super) fn elements(line: &[u8]) -> impl Iterator<Item = Result<Pairs<'_>, ForwardedError>> {
    let mut rest = Some(line);
    std::iter::from_fn(move || {
        while let Some(line) = rest {
            match element(line) {
                Ok((pairs, behind)) => {
                    rest = behind;
                    if let Some(pairs) = pairs {
                        return Some(Ok(pairs));
                    }
                }
                Err(error) => {
                    rest = None;
                    return Some(Err(error));
                }
            }
        }
        None
    })
}

/// An element, `None` if it is empty, and the rest of the line after its comma.
type Parsed<'a> = (Option<Pairs<'a>>, Option<&'a [u8]>);

/// Parses the first element of a line.
fn element(line: &[u8]) -> Result<Parsed<'_>, ForwardedError> {
    let mut pairs = Pairs::default();
    let mut names: [&[u8]; MAX_PAIRS] = [b""; MAX_PAIRS];
    let mut count = 0;
    let mut rest = line;
    let behind = loop {
        rest = rest.trim_ascii_start();
        match rest {
            [] => break None,
            [b',', behind @ ..] => break Some(behind),
            [b';', behind @ ..] => {
                rest = behind;
                continue;
            }
            _ => {}
        }
        let (name, value, behind) = pair(rest)?;
        if names[..count]
            .iter()
            .any(|known| known.eq_ignore_ascii_case(name))
        {
            return Err(ForwardedError::Repeated);
        }
        *names.get_mut(count).ok_or(ForwardedError::TooManyPairs)? = name;
        count += 1;
        match name {
            name if name.eq_ignore_ascii_case(b"for") => pairs.node = Some(value),
            name if name.eq_ignore_ascii_case(b"proto") => pairs.proto = Some(value),
            name if name.eq_ignore_ascii_case(b"host") => pairs.host = Some(value),
            _ => {}
        }
        rest = behind;
    };
    Ok(((count > 0).then_some(pairs), behind))
}

/// The name, the value as written, and the rest, which is empty or begins with a separator.
type Pair<'a> = (&'a [u8], &'a [u8], &'a [u8]);

/// Parses the pair at the start of a non-empty text.
fn pair(text: &[u8]) -> Result<Pair<'_>, ForwardedError> {
    let end = text.iter().position(|byte| b"=;,".contains(byte));
    let parts = end.map(|end| (&text[..end], &text[end..]));
    let Some((name, [b'=', value @ ..])) = parts else {
        return Err(ForwardedError::NoEquals);
    };
    if !is_token(name) {
        return Err(ForwardedError::Name);
    }
    if value.starts_with(b"\"") {
        let len = quoted(value).ok_or(ForwardedError::UnfinishedQuote)?;
        let (value, rest) = value.split_at(len);
        let rest = rest.trim_ascii_start();
        return match rest {
            [] | [b';' | b',', ..] => Ok((name, value, rest)),
            _ => Err(ForwardedError::AfterQuote),
        };
    }
    let end = value.iter().position(|byte| b";,".contains(byte));
    let (value, rest) = value.split_at(end.unwrap_or(value.len()));
    let value = value.trim_ascii_end();
    if fields::unquote(value).is_none() {
        return Err(ForwardedError::Value);
    }
    Ok((name, value, rest))
}

/// The length of the quoted string at the start of a text, including its quotes (RFC 9110, section
/// 5.6.4).
fn quoted(text: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        match text.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// Parses a host in the form of the `Host` header.
pub(super) fn host(text: &[u8]) -> Option<Host> {
    Host::parse(std::str::from_utf8(text).ok()?)
}

/// Parses `192.0.2.7`, `192.0.2.7:80`, `[2001:db8::1]`, `[2001:db8::1]:80` or `2001:db8::1`. A port
/// that is missing or hidden (`:_x`) becomes 0.
pub(super) fn address(text: &[u8]) -> Option<SocketAddr> {
    let text = std::str::from_utf8(text).ok()?;
    let bare = text.parse::<IpAddr>().ok().map(|address| (address, ""));
    let (address, rest): (IpAddr, _) = match (bare, text.strip_prefix('[')) {
        (Some(bare), _) => bare,
        (None, Some(bracketed)) => {
            let (address, rest) = bracketed.split_once(']')?;
            (address.parse::<Ipv6Addr>().ok()?.into(), rest)
        }
        (None, None) => {
            let (address, rest) = text.split_at(text.find(':')?);
            (address.parse::<Ipv4Addr>().ok()?.into(), rest)
        }
    };
    let port = match rest.strip_prefix(':') {
        None if rest.is_empty() => 0,
        Some(port) if is_hidden(port) => 0,
        Some(digits) => self::port(digits.as_bytes())?,
        _ => return None,
    };
    Some(SocketAddr::new(address.to_canonical(), port))
}

/// A port in decimal digits.
pub(super) fn port(digits: &[u8]) -> Option<u16> {
    let digits = std::str::from_utf8(digits).ok()?;
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| plain)
}

/// An obfuscated port: `_secret` (RFC 7239, section 6.3).
fn is_hidden(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    text.len() > 1 && text.starts_with('_') && text.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_malformed_pair_has_its_error() {
        let many = "a=1;b=1;c=1;d=1;".repeat(8) + "e=1";
        let table: &[(&str, ForwardedError)] = &[
            ("for", ForwardedError::NoEquals),
            ("for=192.0.2.7;\"", ForwardedError::NoEquals),
            ("for=192.0.2.7;\", for=192.0.2.8", ForwardedError::NoEquals),
            ("=", ForwardedError::Name),
            ("for =192.0.2.7", ForwardedError::Name),
            ("\"a\"=1", ForwardedError::Name),
            ("for=\"192.0.2.7", ForwardedError::UnfinishedQuote),
            ("for=\"192.0.2.7\\\"", ForwardedError::UnfinishedQuote),
            ("for=\"192.0.2.7\\", ForwardedError::UnfinishedQuote),
            ("for=\"192.0.2.7\"x", ForwardedError::AfterQuote),
            ("for=\"192.0.2.7\"\"\"", ForwardedError::AfterQuote),
            ("for=", ForwardedError::Value),
            ("for= 192.0.2.7", ForwardedError::Value),
            ("for=192.0.2.7 proto=http", ForwardedError::Value),
            ("for=192.0.2.7\"", ForwardedError::Value),
            ("for=192\\.0.2.7", ForwardedError::Value),
            ("for=192.0.2.7;FOR=192.0.2.7", ForwardedError::Repeated),
            ("x=1;for=192.0.2.7;X=2", ForwardedError::Repeated),
        ];
        for (line, error) in table {
            for line in [(*line).to_owned(), format!("for=192.0.2.9, {line}")] {
                let found = elements(line.as_bytes()).find_map(Result::err);
                assert_eq!(found, Some(*error), "{line:?}");
            }
        }
        let distinct: Vec<_> = (0..=MAX_PAIRS).map(|n| format!("n{n}=1")).collect();
        let distinct = distinct.join(";");
        let found = elements(distinct.as_bytes()).find_map(Result::err);
        assert_eq!(found, Some(ForwardedError::TooManyPairs));
        let found = elements(many.as_bytes()).find_map(Result::err);
        assert_eq!(found, Some(ForwardedError::Repeated));
    }

    #[test]
    fn a_separator_in_quotes_separates_nothing() {
        let line = b" ;for=\"a,;\\\"b\" ; X=\"\\\\\";; ,, ;, host=a.example:8080\t,";
        let all: Result<Vec<_>, _> = elements(line).collect();
        let expected = [
            Pairs {
                node: Some(b"\"a,;\\\"b\""),
                ..Pairs::default()
            },
            Pairs {
                host: Some(b"a.example:8080"),
                ..Pairs::default()
            },
        ];
        assert_eq!(all.unwrap(), expected);
    }
}
