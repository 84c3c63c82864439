//! The path of a request, and the iterator over its segments that a matcher uses.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::Segment;

/// An invalid escape, or bytes that are not UTF-8: the response is 400.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct InvalidEncoding;

/// Whether the path can be matched unchanged: it has neither escapes nor empty segments, except for
/// a slash at its end. Nearly all paths are plain; others are converted by [`plain`].
#[inline]
pub(super) fn is_plain(path: &str) -> bool {
    let special = |bytes: &[u8; 9]| {
        let (word, next) = (word(bytes, 0), word(bytes, 1));
        // Contains a zero byte at an escape, and at the first of two slashes.
        let escape = word ^ u64::from_le_bytes([b'%'; 8]);
        let slashes = u64::from_le_bytes([b'/'; 8]);
        has_zero(escape) | has_zero(word ^ slashes | next ^ slashes)
    };
    let bytes = path.as_bytes();
    match bytes.last_chunk() {
        // The last two chunks overlap, and the last byte of the path is checked on its own.
        Some(last) => {
            let all = bytes
                .windows(9)
                .step_by(8)
                .filter_map(|bytes| bytes.first_chunk());
            let found = all.fold(special(last), |found, bytes| found | special(bytes));
            found == 0 && !path.ends_with('%')
        }
        None => !path.contains("//") && !path.contains('%'),
    }
}

/// Converts a path: removes empty segments and decodes the others.
///
/// A segment stays encoded if it cannot be decoded, or if the result would contain `/` or `%`. No
/// literal of a pattern contains these, and parameters are decoded when they are parsed.
#[cold]
pub(super) fn normalize(path: &str) -> String {
    let mut normalized = String::with_capacity(path.len());
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        let text = decode(segment).ok();
        let text = text.filter(|text| !text.contains(['/', '%']));
        normalized.push('/');
        normalized.push_str(text.as_deref().unwrap_or(segment));
    }
    normalized
}

/// Eight of nine bytes.
#[inline]
fn word(bytes: &[u8; 9], at: usize) -> u64 {
    let bytes = bytes.get(at..).and_then(|bytes| bytes.first_chunk());
    u64::from_le_bytes(*bytes.unwrap_or(&[0; 8]))
}

/// Nonzero if a byte of the word is zero.
#[inline]
const fn has_zero(word: u64) -> u64 {
    let (low, high) = (u64::from_le_bytes([0x01; 8]), u64::from_le_bytes([0x80; 8]));
    word.wrapping_sub(low) & !word & high
}

/// Whether a segment must still be decoded.
#[inline]
pub(super) fn has_escape(segment: &str) -> bool {
    segment.bytes().any(|byte| byte == b'%')
}

/// Decodes a segment, or several (RFC 3986, section 2.1). An invalid escape is an error.
#[cold]
pub(super) fn decode(segment: &str) -> Result<Cow<'_, str>, InvalidEncoding> {
    let mut escapes = segment.split('%').skip(1);
    let valid = escapes.all(|text| {
        let mut digits = text.bytes();
        let hex = |digit: Option<u8>| digit.is_some_and(|digit| digit.is_ascii_hexdigit());
        hex(digits.next()) && hex(digits.next())
    });
    if !valid {
        return Err(InvalidEncoding);
    }
    percent_decode_str(segment)
        .decode_utf8()
        .map_err(|_| InvalidEncoding)
}

/// Finds the most specific route of one table that matches; returns the number of its entry.
pub type Matcher = fn(Segments<'_>) -> Option<usize>;

/// The rest of a path that a table has to match. It starts with a segment or is empty.
#[derive(Clone, Copy, Debug)]
pub struct Segments<'p> {
    rest: &'p str,
}

impl<'p> Segments<'p> {
    /// The rest of a path that is completely matched.
    pub(super) const EMPTY: Self = Self { rest: "" };

    /// The segments of a path that is [plain](is_plain), or was [made so](plain).
    #[inline]
    pub(super) fn of(path: &'p str) -> Self {
        Self {
            rest: path.strip_prefix('/').unwrap_or(path),
        }
    }

    /// The byte at this index of the next segment; `/` after its end.
    #[inline]
    pub fn byte(self, at: usize) -> u8 {
        self.rest.as_bytes().get(at).copied().unwrap_or(b'/')
    }

    /// The rest after this literal, if it is the next segment.
    #[inline]
    pub fn strip_literal<const N: usize>(self, literal: &[u8; N]) -> Option<Self> {
        let is_next = self.rest.as_bytes().first_chunk() == Some(literal) && self.byte(N) == b'/';
        is_next.then(|| self.skip(N))
    }

    /// The next segment; empty at the end.
    #[inline]
    pub fn first(self) -> &'p str {
        let end = self.rest.bytes().position(|byte| byte == b'/');
        match end {
            Some(end) => self.rest.get(..end).unwrap_or_default(),
            None => self.rest,
        }
    }

    /// The rest after the next segment, which has this length.
    #[inline]
    pub fn skip(self, length: usize) -> Self {
        Self {
            rest: self.rest.get(length + 1..).unwrap_or_default(),
        }
    }

    /// Whether there are no more segments.
    #[inline]
    pub fn is_end(self) -> bool {
        self.rest.is_empty()
    }

    /// Whether the rest [is plain](is_plain).
    #[inline]
    pub(super) fn is_plain(self) -> bool {
        is_plain(self.rest)
    }

    /// The rest after these literals, if the path starts with them.
    #[inline]
    pub(super) fn strip_prefix(self, literals: &[&str]) -> Option<Self> {
        let mut path = self;
        for literal in literals {
            if path.first() != *literal {
                return None;
            }
            path = path.skip(literal.len());
        }
        Some(path)
    }

    /// The whole rest, without a trailing slash.
    #[inline]
    pub(super) fn remainder(self) -> &'p str {
        self.rest.strip_suffix('/').unwrap_or(self.rest)
    }

    /// The values of the parameters of this pattern, as they are in the path; `self` must be the
    /// rest that the pattern matches.
    #[inline]
    pub(super) fn values(self, pattern: &'static [Segment]) -> impl Iterator<Item = &'p str> {
        let mut path = self;
        pattern.iter().filter_map(move |segment| {
            let (value, length) = match segment {
                Segment::Literal(text) => (None, text.len()),
                Segment::Typed(_) | Segment::Text => {
                    let value = path.first();
                    (Some(value), value.len())
                }
                Segment::Rest => return Some(path.remainder()),
            };
            path = path.skip(length);
            value
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::route::ParamType;

    /// The segments as the router sees them, decoded.
    fn texts(path: &str) -> Vec<String> {
        let normalized = normalize(path);
        let all = |path: &str| {
            let mut path = Segments::of(path);
            let mut texts = Vec::new();
            while !path.first().is_empty() {
                let text = decode(path.first());
                texts.push(text.map_or("?".to_owned(), Cow::into_owned));
                path = path.skip(path.first().len());
            }
            assert!(path.is_end());
            texts
        };
        if is_plain(path) {
            assert_eq!(all(path), all(&normalized), "{path}");
        }
        all(&normalized)
    }

    fn rest(path: &str, from: usize) -> Result<String, InvalidEncoding> {
        fn remainder(path: &str, from: usize) -> Result<String, InvalidEncoding> {
            let path = Segments::of(path);
            let remaining = (0..from).fold(path, |path, _| path.skip(path.first().len()));
            decode(remaining.remainder()).map(Cow::into_owned)
        }
        let expected = remainder(&normalize(path), from);
        if is_plain(path) {
            assert_eq!(remainder(path, from), expected, "{path}");
        }
        expected
    }

    #[test]
    fn values_are_the_segments_of_the_parameters() {
        const PATTERN: &[Segment] = &[
            Segment::Literal("rooms"),
            Segment::Typed("u64"),
            Segment::Literal("of"),
            Segment::Text,
            Segment::Rest,
        ];
        let values = |path| Segments::of(path).values(PATTERN).collect::<Vec<_>>();
        assert_eq!(values("/rooms/7/of/x%20y/a/b/"), ["7", "x%20y", "a/b"]);
        assert_eq!(values("/rooms/7/of/x"), ["7", "x", ""]);
        let (short, _) = PATTERN.split_at(4);
        let values = Segments::of("/rooms/7/of/x/").values(short);
        assert_eq!(values.collect::<Vec<_>>(), ["7", "x"]);
    }

    #[test]
    fn empty_segments_are_ignored() {
        assert_eq!(texts("/a/b"), ["a", "b"]);
        assert_eq!(texts("a/b/"), ["a", "b"]);
        assert_eq!(texts("//a///b/"), ["a", "b"]);
        assert_eq!(texts("//a///b%20/"), ["a", "b "]);
        assert_eq!(texts("/"), [""; 0]);
        assert_eq!(texts(""), [""; 0]);
    }

    #[test]
    fn segments_are_decoded_after_the_path_is_split() {
        assert_eq!(
            texts("/a%2Fb/caf%C3%A9/%25/%252F"),
            ["a/b", "café", "%", "%2F"]
        );
        assert_eq!(
            texts("/é/ßßßßß/üüüüüüüüü/-"),
            ["é", "ßßßßß", "üüüüüüüüü", "-"]
        );
    }

    #[test]
    fn invalid_escapes_and_invalid_utf8_are_errors() {
        assert_eq!(
            texts("/%/%4/%zz/%ff/%4%31/ok"),
            ["?", "?", "?", "?", "?", "ok"]
        );
    }

    #[test]
    fn a_rest_is_joined_without_empty_segments() {
        assert_eq!(rest("/a/b/c", 1).unwrap(), "b/c");
        assert_eq!(rest("/a/b/c/", 1).unwrap(), "b/c");
        assert_eq!(rest("//a//b///c/", 1).unwrap(), "b/c");
        assert_eq!(rest("/a//b%20//c/", 1).unwrap(), "b /c");
        assert_eq!(rest("/a/b%2F/%63/", 1).unwrap(), "b//c");
        assert_eq!(rest("/a/b/", 2).unwrap(), "");
        assert_eq!(rest("/a/b/%zz", 1), Err(InvalidEncoding));
    }

    #[test]
    fn a_malformed_segment_fits_every_type_and_no_literal() {
        let path = normalize("/%zz/7");
        let path = Segments::of(&path);
        let number = ParamType::<u64>::new();
        assert!(number.fits(path.first()) && !number.fits("x"));
        assert_eq!(decode(path.first()), Err(InvalidEncoding));
        assert_eq!(decode(path.skip(3).first()).unwrap(), "7");
    }

    #[test]
    fn a_segment_is_decoded_before_it_is_parsed() {
        let slash = ParamType::<char>::new();
        for (segment, fits) in [("%2F", true), ("/", true), ("%25", true), ("%2F%2F", false)] {
            assert_eq!(slash.fits(segment), fits, "{segment}");
        }
    }

    #[test]
    fn matching_literals_are_stripped() {
        for path in ["/ad%6Din/users", "/admin/users", "//admin//users/"] {
            let path = normalize(path);
            let path = Segments::of(&path);
            let remaining = path.strip_prefix(&["admin"]).unwrap();
            assert_eq!(remaining.first(), "users");
            assert!(remaining.strip_literal(b"users").unwrap().is_end());
            assert!(
                remaining.strip_literal(b"user").is_none()
                    && remaining.strip_literal(b"userss").is_none()
            );
            assert!(path.strip_prefix(&["users"]).is_none());
            assert!(path.strip_prefix(&["admin", "users", "x"]).is_none());
            assert_eq!([0, 4, 5, 6, 11, 99].map(|at| path.byte(at)), *b"an/u//");
        }
    }

    #[test]
    fn a_truncated_escape_at_the_end_is_found_at_any_length() {
        for length in 1..40 {
            let path = format!("/{}%", "x".repeat(length));
            assert!(!is_plain(&path) && is_plain(&path[..=length]), "{path}");
        }
    }

    proptest! {
        #[test]
        fn a_path_is_split_at_its_slashes(path in "[/a%é]{0,80}|[/a]{0,20}|(/[a-zé]{1,20}){0,9}/?") {
            let special = ["%", "//"].iter().any(|special| path.contains(special));
            prop_assert_eq!(is_plain(&path), !special);
            if !path.contains('%') {
                let expected = path.split('/').filter(|segment| !segment.is_empty());
                prop_assert_eq!(texts(&path), expected.collect::<Vec<_>>());
            }
        }
    }
}
