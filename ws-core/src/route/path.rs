//! The path of a request, split and decoded for a matcher.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::{MAX_SEGMENTS, ParamType};

/// An escape that is none, or bytes that are no UTF-8: the request is answered with 400.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Malformed;

/// What a segment that does not decode becomes; no other segment is empty.
const MALFORMED: Cow<'_, str> = Cow::Borrowed("");

/// The most segments that a plain path has.
const PLACES: usize = 8;

/// The segments of one path; only so many are looked at as a pattern can have.
#[derive(Debug, Default)]
pub(super) struct SplitPath<'p> {
    /// The whole path.
    path: &'p str,
    /// Where the segments of a plain path begin and end.
    places: [(u16, u16); PLACES],
    /// Those of any other path.
    decoded: Option<&'p [Cow<'p, str>]>,
    count: usize,
    /// What lies behind these segments, not decoded; it is empty or has a segment.
    tail: &'p str,
}

impl<'p> SplitPath<'p> {
    /// Takes the segments of a plain path, as nearly all are: few segments and no escapes.
    /// Nothing is allocated, nor moved afterwards. Of any other path it gives nothing.
    #[inline]
    pub(super) fn take_plain(&mut self, path: &'p str) -> Option<&Self> {
        u16::try_from(path.len()).ok()?;
        self.path = path;
        let mut start = 0;
        let mut at = 0;
        while at < path.len() {
            let word = word(path.as_bytes(), at);
            if equal_bytes(word, b'%') != 0 {
                return None;
            }
            let mut slashes = equal_bytes(word, b'/');
            while slashes != 0 {
                let end = at + slashes.trailing_zeros() as usize / 8;
                slashes &= slashes - 1;
                if end > start {
                    self.place(start, end)?;
                }
                start = end + 1;
            }
            at += 8;
        }
        if start < path.len() {
            self.place(start, path.len())?;
        }
        Some(self)
    }

    /// Adds a segment of a plain path, where there is room for one.
    #[inline]
    fn place(&mut self, start: usize, end: usize) -> Option<()> {
        let place = self.places.get_mut(self.count)?;
        *place = (u16::try_from(start).ok()?, u16::try_from(end).ok()?);
        self.count += 1;
        Some(())
    }

    /// The segments of any path. Their texts are kept by the caller.
    #[cold]
    pub(super) fn decoded(path: &'p str, texts: &'p mut Vec<Cow<'p, str>>) -> Self {
        let mut tail = path.trim_start_matches('/');
        while !tail.is_empty() && texts.len() < MAX_SEGMENTS {
            let (segment, rest) = tail.split_once('/').unwrap_or((tail, ""));
            texts.push(decode(segment).unwrap_or(MALFORMED));
            tail = rest.trim_start_matches('/');
        }
        Self {
            path,
            places: [(0, 0); PLACES],
            decoded: Some(texts),
            count: texts.len(),
            tail,
        }
    }

    /// The segment at this place; empty where there is none.
    #[inline]
    fn get(&self, at: usize) -> &str {
        match self.decoded {
            None => {
                let (start, end) = self.places.get(at).copied().unwrap_or_default();
                self.path.get(start.into()..end.into()).unwrap_or_default()
            }
            Some(texts) => texts.get(at).map_or("", |text| text),
        }
    }

    /// As [`get`](Self::get), as bytes.
    #[inline]
    fn bytes_of(&self, at: usize) -> &[u8] {
        match self.decoded {
            None => {
                let (start, end) = self.places.get(at).copied().unwrap_or_default();
                let bytes = self.path.as_bytes();
                bytes.get(start.into()..end.into()).unwrap_or_default()
            }
            Some(_) => self.get(at).as_bytes(),
        }
    }

    /// What all values together have no more bytes than.
    pub(super) const fn bytes(&self) -> usize {
        self.path.len()
    }

    /// What is left behind a prefix of literals, if the path begins with it.
    #[inline]
    pub(super) fn behind(&self, prefix: &[&str]) -> Option<Segments<'_>> {
        for (at, literal) in prefix.iter().enumerate() {
            if self.bytes_of(at) != literal.as_bytes() {
                return None;
            }
        }
        Some(Segments {
            path: self,
            from: prefix.len(),
        })
    }

    /// The segment at this place.
    #[inline]
    pub(super) fn segment(&self, at: usize) -> Result<&str, Malformed> {
        let segment = self.get(at);
        if segment.is_empty() {
            return Err(Malformed);
        }
        Ok(segment)
    }

    /// All segments from this place on, where the path has them just so.
    fn plain_rest(&self, from: usize) -> Option<&str> {
        let places = self.places.get(from..self.count)?;
        let ((start, _), (_, end)) = (places.first()?, places.last()?);
        let is_joined = |pair: &[(u16, u16)]| pair[1].0 == pair[0].1 + 1;
        let is_whole = self.decoded.is_none() && places.windows(2).all(is_joined);
        let rest = usize::from(*start)..usize::from(*end);
        self.path.get(rest).filter(|_| is_whole)
    }

    /// Writes all segments from this place on, joined with `/`.
    pub(super) fn write_rest(&self, from: usize, into: &mut String) -> Result<(), Malformed> {
        if let Some(rest) = self.plain_rest(from) {
            into.push_str(rest);
            return Ok(());
        }
        let start = into.len();
        for at in from..self.count {
            into.push_str(self.segment(at)?);
            into.push('/');
        }
        for segment in self.tail.split('/').filter(|segment| !segment.is_empty()) {
            into.push_str(&decode(segment)?);
            into.push('/');
        }
        if into.len() > start {
            into.pop();
        }
        Ok(())
    }
}

/// Eight bytes from this place on, the first of them lowest; behind the end all are zero.
#[inline]
fn word(path: &[u8], at: usize) -> u64 {
    let rest = path.get(at..).unwrap_or_default();
    if let Some(word) = rest.first_chunk() {
        return u64::from_le_bytes(*word);
    }
    if let Some(word) = path.last_chunk() {
        return u64::from_le_bytes(*word) >> (8 * (8 - rest.len()));
    }
    let bytes = rest.iter().rev();
    bytes.fold(0, |word, byte| word << 8 | u64::from(*byte))
}

/// The highest bit of each byte of the word that is this one.
#[inline]
const fn equal_bytes(word: u64, byte: u8) -> u64 {
    const LOW: u64 = u64::from_le_bytes([0x7f; 8]);
    let differ = word ^ u64::from_le_bytes([byte; 8]);
    !(((differ & LOW) + LOW) | differ | LOW)
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

/// The segments of a path that a table has to match: what is left behind its prefix.
///
/// A segment that does not decode is an empty text here, which no other segment is: it equals
/// no literal and fits every parameter, so that its route is found and the client is told what
/// is wrong.
#[derive(Clone, Copy, Debug)]
pub struct Segments<'p> {
    path: &'p SplitPath<'p>,
    from: usize,
}

impl<'p> Segments<'p> {
    /// The text of a segment, decoded; empty where there is none or it does not decode.
    #[inline]
    pub fn text(self, at: usize) -> &'p str {
        self.path.get(self.from + at)
    }

    /// The same as bytes: what compares many literals has no need for a text.
    #[inline]
    pub fn bytes(self, at: usize) -> &'p [u8] {
        self.path.bytes_of(self.from + at)
    }

    /// Whether there is a segment at this place.
    #[inline]
    pub fn has(self, at: usize) -> bool {
        self.from + at < self.path.count
    }

    /// Whether there is a segment at this place that reads as a `T`.
    #[inline]
    pub fn is<T>(self, at: usize, ty: &ParamType<T>) -> bool {
        let text = self.text(at);
        self.has(at) && (text.is_empty() || ty.reads(text))
    }

    /// Whether there are exactly so many segments.
    #[inline]
    pub fn end_at(self, at: usize) -> bool {
        self.from + at == self.path.count && self.path.tail.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::fmt;

    use proptest::prelude::*;

    use super::*;

    /// As the router does it; what goes both ways is the same on both.
    fn look_up<R: PartialEq + fmt::Debug>(path: &str, by: impl Fn(&SplitPath<'_>) -> R) -> R {
        let result = by(&SplitPath::decoded(path, &mut Vec::new()));
        if let Some(path) = SplitPath::default().take_plain(path) {
            assert_eq!(by(path), result);
        }
        result
    }

    fn texts(path: &str) -> Vec<String> {
        look_up(path, |path| {
            let segments = path.behind(&[]).unwrap();
            assert!(segments.end_at(path.count) && !segments.has(path.count));
            let texts = (0..path.count).map(|at| path.get(at));
            let texts = texts.map(|text| if text.is_empty() { "?" } else { text });
            texts.map(str::to_owned).collect()
        })
    }

    fn rest(path: &str, from: usize) -> Result<String, Malformed> {
        look_up(path, |path| {
            let mut rest = String::from("before");
            path.write_rest(from, &mut rest)?;
            Ok(rest.split_off("before".len()))
        })
    }

    #[test]
    fn empty_segments_do_not_count() {
        assert_eq!(texts("/a/b"), ["a", "b"]);
        assert_eq!(texts("//a///b/"), ["a", "b"]);
        assert_eq!(texts("//a///b%20/"), ["a", "b "]);
        assert_eq!(texts("/"), [""; 0]);
        assert_eq!(texts(""), [""; 0]);
    }

    #[test]
    fn segments_are_decoded_after_the_path_is_split() {
        assert_eq!(texts("/a%2Fb/caf%C3%A9/%25"), ["a/b", "café", "%"]);
        assert_eq!(
            texts("/é/ßßßßß/üüüüüüüüü/-"),
            ["é", "ßßßßß", "üüüüüüüüü", "-"]
        );
    }

    #[test]
    fn what_is_no_escape_or_no_utf8_is_malformed() {
        assert_eq!(
            texts("/%/%4/%zz/%ff/%4%31/ok"),
            ["?", "?", "?", "?", "?", "ok"]
        );
    }

    #[test]
    fn no_more_segments_are_split_than_a_pattern_can_have() {
        for (segment, text) in [("/x", "x/"), ("/%78", "x/")] {
            let long = segment.repeat(100_000);
            look_up(&long, |path| {
                assert_eq!(path.count, MAX_SEGMENTS);
                assert!(!path.behind(&[]).unwrap().end_at(MAX_SEGMENTS));
            });
            assert_eq!(
                rest(&long, 1).unwrap(),
                text.repeat(99_999).trim_end_matches('/')
            );
            let most = segment.repeat(MAX_SEGMENTS);
            for path in [most.clone(), most + "//"] {
                assert_eq!(texts(&path), ["x"; MAX_SEGMENTS]);
            }
        }
    }

    #[test]
    fn a_rest_is_joined_without_empty_segments() {
        assert_eq!(rest("/a/b/c", 1).unwrap(), "b/c");
        assert_eq!(rest("//a//b///c/", 1).unwrap(), "b/c");
        assert_eq!(rest("/a//b%20//c/", 1).unwrap(), "b /c");
        assert_eq!(rest("/a/b", 2).unwrap(), "");
        let head = "/x".repeat(MAX_SEGMENTS);
        assert_eq!(
            rest(&format!("{head}//%79/z/"), MAX_SEGMENTS - 1).unwrap(),
            "x/y/z"
        );
        assert_eq!(rest(&format!("{head}/%zz"), 1), Err(Malformed));
    }

    #[test]
    fn a_malformed_segment_fits_every_type_and_no_literal() {
        look_up("/%zz/7/x", |path| {
            let segments = path.behind(&[]).unwrap();
            let number = ParamType::<u64>::new();
            let are_numbers = [0, 1, 2, 3].map(|at| segments.is(at, &number));
            assert_eq!(are_numbers, [true, true, false, false]);
            assert_eq!((segments.text(0), segments.text(3)), ("", ""));
            assert_eq!(path.segment(0), Err(Malformed));
        });
        assert_eq!(rest("/%zz/7", 0), Err(Malformed));
    }

    #[test]
    fn a_prefix_is_compared_and_left_behind() {
        for path in ["/ad%6Din/users", "/admin/users"] {
            look_up(path, |path| {
                assert_eq!(path.behind(&["admin"]).unwrap().text(0), "users");
                assert!(path.behind(&["users"]).is_none());
                assert!(path.behind(&["admin", "users", "x"]).is_none());
            });
        }
    }

    proptest! {
        #[test]
        fn a_path_is_split_at_its_slashes(path in "[/a%é]{0,80}|[/a]{0,20}|/?([a-zé]{1,60}/){0,8}") {
            let expected = path.split('/').filter(|segment| !segment.is_empty());
            let expected: Vec<_> = expected.collect();
            let is_plain = SplitPath::default().take_plain(&path).is_some();
            prop_assert_eq!(is_plain, expected.len() <= PLACES && !path.contains('%'));
            if is_plain {
                prop_assert_eq!(texts(&path), expected);
            }
        }
    }
}
