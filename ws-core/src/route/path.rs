//! The path of a request, split and decoded for a matcher.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::{MAX_SEGMENTS, ParamType};

/// An escape that is none, or bytes that are no UTF-8: the request is answered with 400.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Malformed;

/// One segment, decoded.
type Decoded<'p> = Result<Cow<'p, str>, Malformed>;

/// The segments of one path; only so many are looked at as a pattern can have.
#[derive(Debug)]
pub(super) struct SplitPath<'p> {
    head: Vec<Decoded<'p>>,
    /// What lies behind the head; it is empty or has a segment.
    tail: &'p str,
}

impl<'p> SplitPath<'p> {
    pub(super) fn new(path: &'p str) -> Self {
        let mut head = Vec::new();
        let mut tail = path.trim_start_matches('/');
        while !tail.is_empty() && head.len() < MAX_SEGMENTS {
            let (segment, rest) = tail.split_once('/').unwrap_or((tail, ""));
            head.push(decode(segment));
            tail = rest.trim_start_matches('/');
        }
        Self { head, tail }
    }

    /// What is left behind a prefix of literals, if the path begins with it.
    pub(super) fn behind(&self, prefix: &[&str]) -> Option<Segments<'_>> {
        let here = Segments {
            path: self,
            from: 0,
        };
        let begins = prefix
            .iter()
            .enumerate()
            .all(|(at, text)| here.text(at) == Some(text));
        begins.then_some(Segments {
            path: self,
            from: prefix.len(),
        })
    }

    /// The segment at this place.
    pub(super) fn segment(&self, at: usize) -> Result<&str, Malformed> {
        self.head
            .get(at)
            .ok_or(Malformed)?
            .as_deref()
            .map_err(|malformed| *malformed)
    }

    /// All segments from this place on, joined with `/`.
    pub(super) fn rest(&self, from: usize) -> Result<String, Malformed> {
        let head = self.head.iter().skip(from).cloned();
        let tail = self
            .tail
            .split('/')
            .filter(|segment| !segment.is_empty())
            .map(decode);
        let all = head.chain(tail).collect::<Result<Vec<_>, _>>()?;
        Ok(all.join("/"))
    }
}

/// Decodes a segment (RFC 3986, section 2.1); what is no escape is an error.
fn decode(segment: &str) -> Decoded<'_> {
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
/// A segment that does not decode equals no literal and fits every parameter, so that
/// its route is found and the client is told what is wrong.
#[derive(Clone, Copy, Debug)]
pub struct Segments<'p> {
    path: &'p SplitPath<'p>,
    from: usize,
}

impl<'p> Segments<'p> {
    /// The text of a segment, decoded; `None` where there is none or it does not decode.
    pub fn text(self, at: usize) -> Option<&'p str> {
        self.path.head.get(self.from + at)?.as_deref().ok()
    }

    /// Whether there is a segment at this place.
    pub fn has(self, at: usize) -> bool {
        self.from + at < self.path.head.len()
    }

    /// Whether there is a segment at this place that reads as a `T`.
    pub fn is<T>(self, at: usize, ty: &ParamType<T>) -> bool {
        match self.path.head.get(self.from + at) {
            Some(Ok(text)) => ty.reads(text),
            Some(Err(Malformed)) => true,
            None => false,
        }
    }

    /// Whether there are exactly so many segments.
    pub fn end_at(self, at: usize) -> bool {
        self.from + at == self.path.head.len() && self.path.tail.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(path: &str) -> Vec<String> {
        let path = SplitPath::new(path);
        let segments = path.behind(&[]).unwrap();
        (0..path.head.len())
            .map(|at| segments.text(at).unwrap_or("?").to_owned())
            .collect()
    }

    #[test]
    fn empty_segments_do_not_count() {
        assert_eq!(texts("/a/b"), ["a", "b"]);
        assert_eq!(texts("//a///b/"), ["a", "b"]);
        assert_eq!(texts("/"), [""; 0]);
        assert_eq!(texts(""), [""; 0]);
    }

    #[test]
    fn segments_are_decoded_after_the_path_is_split() {
        assert_eq!(texts("/a%2Fb/caf%C3%A9/%25"), ["a/b", "café", "%"]);
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
        let long = "/x".repeat(100_000);
        let path = SplitPath::new(&long);
        assert_eq!(path.head.len(), MAX_SEGMENTS);
        assert!(!path.behind(&[]).unwrap().end_at(MAX_SEGMENTS));
        assert_eq!(
            path.rest(0).unwrap(),
            "x/".repeat(100_000).trim_end_matches('/')
        );
    }

    #[test]
    fn a_malformed_segment_fits_every_type_and_no_literal() {
        let path = SplitPath::new("/%zz/7");
        let segments = path.behind(&[]).unwrap();
        let number = ParamType::<u64>::new();
        let are_numbers = [0, 1, 2].map(|at| segments.is(at, &number));
        assert_eq!((are_numbers, segments.text(0)), ([true, true, false], None));
        assert_eq!(path.rest(0), Err(Malformed));
    }

    #[test]
    fn a_prefix_is_compared_and_left_behind() {
        let path = SplitPath::new("/ad%6Din/users");
        assert_eq!(path.behind(&["admin"]).unwrap().text(0), Some("users"));
        assert!(path.behind(&["users"]).is_none());
        assert!(path.behind(&["admin", "users", "x"]).is_none());
    }
}
