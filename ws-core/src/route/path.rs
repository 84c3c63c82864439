//! The path of a request, split and decoded for a matcher.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::MAX_SEGMENTS;

/// An escape that is none, or bytes that are no UTF-8: the request is answered with 400.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Malformed;

/// What a segment that does not decode becomes; no other segment is empty.
const MALFORMED: Cow<'_, str> = Cow::Borrowed("");

/// Looks something up by the segments of a path, which live no longer than that.
///
/// Nearly no path has an escape. Such a path is split only as far as a matcher goes, and
/// nothing is allocated. Of any other so many segments are decoded as a pattern can have.
pub(super) fn look_up<R>(path: &str, by: impl FnOnce(Segments<'_>) -> R) -> R {
    let mut rest = skip_slashes(path);
    if !path.as_bytes().contains(&b'%') {
        return by(Segments { decoded: &[], rest });
    }
    let mut decoded = Vec::new();
    while decoded.len() < MAX_SEGMENTS
        && let Some((segment, behind)) = split(rest)
    {
        decoded.push(decode(segment).unwrap_or(MALFORMED));
        rest = behind;
    }
    by(Segments {
        decoded: &decoded,
        rest,
    })
}

/// The first segment of a path without a slash in front, and the path behind it, of the same
/// kind; `None` at the end.
#[inline]
fn split(path: &str) -> Option<(&str, &str)> {
    if path.is_empty() {
        return None;
    }
    let end = path.bytes().position(|byte| byte == b'/');
    match end.and_then(|end| path.split_at_checked(end)) {
        Some((segment, rest)) => Some((segment, skip_slashes(rest))),
        None => Some((path, "")),
    }
}

#[inline]
fn skip_slashes(path: &str) -> &str {
    let slashes = path.bytes().take_while(|byte| *byte == b'/').count();
    path.get(slashes..).unwrap_or_default()
}

/// Decodes a segment (RFC 3986, section 2.1); what is no escape is an error.
fn decode(segment: &str) -> Result<Cow<'_, str>, Malformed> {
    let mut escapes = segment.split('%').skip(1);
    let valid = escapes.all(|text| {
        let mut digits = text.bytes();
        let hex = |digit: Option<u8>| digit.is_some_and(|digit| digit.is_ascii_hexdigit());
        hex(digits.next()) && hex(digits.next())
    });
    if !valid {
        return Err(Malformed);
    }
    percent_decode_str(segment)
        .decode_utf8()
        .map_err(|_| Malformed)
}

/// What of a path a matcher has still to look at.
///
/// A segment that does not decode comes as an empty text, which no other segment is: it
/// equals no literal and fits every parameter, so that its route is found and the client
/// is told what is wrong.
#[derive(Clone, Copy, Debug)]
pub struct Segments<'p> {
    /// The next segments, where the path has an escape.
    decoded: &'p [Cow<'p, str>],
    /// What is behind them, without a slash in front.
    rest: &'p str,
}

impl<'p> Segments<'p> {
    /// The next segment, decoded, and what is behind it; `None` at the end.
    #[inline]
    pub fn split(self) -> Option<(&'p str, Self)> {
        if let Some((segment, decoded)) = self.decoded.split_first() {
            return Some((segment, Self { decoded, ..self }));
        }
        let (segment, rest) = split(self.rest)?;
        Some((segment, Self { rest, ..self }))
    }

    /// Whether there are no more segments.
    #[inline]
    pub fn is_end(self) -> bool {
        self.rest.is_empty() && self.decoded.is_empty()
    }

    /// How many bytes all values together may have.
    pub(super) fn len(self) -> usize {
        let decoded = self.decoded.iter().map(|segment| segment.len() + 1);
        decoded.sum::<usize>() + self.rest.len()
    }

    /// What is left behind a prefix of literals, if the path begins with it.
    pub(super) fn behind(self, prefix: &[&str]) -> Option<Self> {
        prefix.iter().try_fold(self, |path, literal| {
            let (segment, path) = path.split()?;
            (segment == *literal).then_some(path)
        })
    }

    /// Writes the next segment, and gives what is behind it.
    pub(super) fn write_next(self, into: &mut String) -> Result<Self, Malformed> {
        let (segment, path) = self.split().ok_or(Malformed)?;
        if segment.is_empty() {
            return Err(Malformed);
        }
        into.push_str(segment);
        Ok(path)
    }

    /// Writes all that is left, joined with `/`.
    pub(super) fn write_rest(self, into: &mut String) -> Result<(), Malformed> {
        let mut path = self;
        while !path.decoded.is_empty() {
            path = path.write_next(into)?;
            if !path.is_end() {
                into.push('/');
            }
        }
        let mut rest = path.rest;
        while let Some((segment, behind)) = split(rest) {
            into.push_str(&decode(segment)?);
            if !behind.is_empty() {
                into.push('/');
            }
            rest = behind;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::ParamType;

    fn texts(path: &str) -> Vec<String> {
        look_up(path, |mut path| {
            let mut texts = Vec::new();
            while let Some((text, rest)) = path.split() {
                texts.push(if text.is_empty() { "?" } else { text }.to_owned());
                path = rest;
            }
            assert!(path.is_end());
            texts
        })
    }

    fn rest(path: &str) -> Result<String, Malformed> {
        let mut rest = String::new();
        look_up(path, |path| path.write_rest(&mut rest)).map(|()| rest)
    }

    #[test]
    fn empty_segments_do_not_count() {
        for end in ["", "/c%20"] {
            let has = |path: &str, expected: &[&str]| {
                let all = expected.iter().copied().chain((!end.is_empty()).then_some("c "));
                assert_eq!(texts(&format!("{path}{end}")), all.collect::<Vec<_>>());
            };
            has("/a/b", &["a", "b"]);
            has("//a///b/", &["a", "b"]);
            has("/", &[]);
            has("", &[]);
        }
    }

    #[test]
    fn segments_are_decoded_after_the_path_is_split() {
        assert_eq!(texts("/a%2Fb/caf%C3%A9/%25"), ["a/b", "café", "%"]);
        assert_eq!(texts("/café/ü"), ["café", "ü"]);
    }

    #[test]
    fn what_is_no_escape_or_no_utf8_is_malformed() {
        assert_eq!(
            texts("/%/%4/%zz/%ff/%4%31/ok"),
            ["?", "?", "?", "?", "?", "ok"]
        );
    }

    #[test]
    fn no_more_segments_are_decoded_than_a_pattern_can_have() {
        let long = "/%78".repeat(100_000);
        look_up(&long, |path| {
            assert_eq!(path.decoded.len(), MAX_SEGMENTS);
            let head = ["x"; MAX_SEGMENTS];
            assert!(path.behind(&head).is_some_and(|path| !path.is_end()));
        });
        let all = "x/".repeat(100_000);
        assert_eq!(rest(&long).unwrap(), all.trim_end_matches('/'));
    }

    #[test]
    fn a_rest_is_joined_without_empty_segments() {
        assert_eq!(rest("//a//b/").unwrap(), "a/b");
        assert_eq!(rest("//a%20//b/").unwrap(), "a /b");
        assert_eq!(rest("/").unwrap(), "");
        let (head, tail) = ("x/".repeat(MAX_SEGMENTS), "%79//z/");
        assert_eq!(rest(&format!("{head}{tail}")).unwrap(), format!("{head}y/z"));
        assert_eq!(rest(&format!("{head}%zz")), Err(Malformed));
        assert_eq!(rest("/%zz/a"), Err(Malformed));
    }

    #[test]
    fn a_malformed_segment_fits_every_type_and_is_no_value() {
        look_up("/%zz/7", |path| {
            let number = ParamType::<u64>::new();
            let (segment, behind) = path.split().unwrap();
            assert!(number.fits(segment) && !number.fits("x"));
            assert!(path.write_next(&mut String::new()).is_err());
            assert!(behind.write_next(&mut String::new()).is_ok());
        });
    }

    #[test]
    fn a_prefix_is_compared_and_left_behind() {
        for path in ["/ad%6Din/users", "/admin/users"] {
            look_up(path, |path| {
                let behind = path.behind(&["admin"]).unwrap();
                assert_eq!(behind.split().unwrap().0, "users");
                assert!(path.behind(&["users"]).is_none());
                assert!(path.behind(&["admin", "users", "x"]).is_none());
            });
        }
    }
}
