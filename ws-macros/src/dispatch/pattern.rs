//! The path of a route, parsed, and the rules of its syntax.
//!
//! A string literal has only one span on stable Rust, so every message quotes the wrong part. The
//! valid parts of a path with a mistake are parsed too, so that the functions in the table's stubs
//! have the right arguments.

mod foreign;

use std::cell::Cell;

use proc_macro2::Span;
use syn::{Ident, LitStr, Type};

use crate::errors::Errors;

/// The maximum number of segments of a pattern: the router ranks no more.
pub(crate) const MAX_SEGMENTS: usize = 32;

/// A path of a table.
pub(crate) struct Pattern {
    pub segments: Vec<Segment>,
    /// Whether a mistake was reported: then the segments are only a guess.
    pub is_flawed: bool,
}

/// One segment of a path.
pub(crate) enum Segment {
    /// `rooms`
    Literal(String),
    /// `{id: u64}`; `written` is the type as it was written, without spaces.
    Typed {
        name: Ident,
        ty: Box<Type>,
        written: String,
    },
    /// `{name}`
    Text { name: Ident },
    /// `{*rest}`
    Rest { name: Ident },
}

impl Segment {
    /// How specific the segment is: a literal before a typed parameter before text before a
    /// wildcard.
    pub(crate) fn weight(&self) -> u8 {
        match self {
            Self::Literal(_) => 3,
            Self::Typed { .. } => 2,
            Self::Text { .. } => 1,
            Self::Rest { .. } => 0,
        }
    }

    /// Returns the name of the parameter, if the segment is one.
    pub(crate) fn param(&self) -> Option<&Ident> {
        match self {
            Self::Literal(_) => None,
            Self::Typed { name, .. } | Self::Text { name } | Self::Rest { name } => Some(name),
        }
    }
}

impl Pattern {
    /// Parses the pattern of a valid path, for tests.
    #[cfg(test)]
    pub(crate) fn of(path: &str) -> Self {
        let errors = Errors::new();
        let pattern = Self::parse(&LitStr::new(path, Span::call_site()), &errors);
        errors.finish().expect("a path without mistakes");
        pattern
    }

    /// The pattern of a path that could not be parsed, which was reported.
    pub(crate) fn invalid() -> Self {
        Self {
            segments: Vec::new(),
            is_flawed: true,
        }
    }

    /// Parses a path and reports its mistakes.
    pub(crate) fn parse(path: &LitStr, errors: &Errors) -> Self {
        let text = path.value();
        let is_flawed = Cell::new(false);
        let report = |message: String| {
            is_flawed.set(true);
            errors.push(path, message);
        };
        let text = match foreign::rewrite(&text) {
            Some(rewritten) => {
                report(rewritten.message());
                rewritten.path
            }
            None => text,
        };
        check_slashes(&text, &report);
        let mut segments = Vec::new();
        for part in split(&text, &report) {
            if let Some(segment) = segment(part, path.span(), &report) {
                segments.push(segment);
            }
        }
        let mut pattern = Self {
            segments,
            is_flawed: false,
        };
        pattern.check_names(&report);
        pattern.check_rest(&report);
        pattern.check_length(&report);
        pattern.is_flawed = is_flawed.get();
        pattern
    }

    /// Returns the parameters in the order of the path.
    pub(crate) fn params(&self) -> impl Iterator<Item = &Segment> {
        self.segments
            .iter()
            .filter(|segment| segment.param().is_some())
    }

    /// Checks that no name is used twice: a parameter's name becomes the name of a value.
    fn check_names(&self, report: &impl Fn(String)) {
        let names: Vec<_> = self.segments.iter().filter_map(Segment::param).collect();
        for (at, name) in names.iter().enumerate() {
            if names[..at].contains(name) {
                report(format!(
                    "two parameters are named `{name}`\nhelp: give each its own name"
                ));
            }
        }
    }

    /// Checks that a wildcard is last: it matches the whole rest of the path.
    fn check_rest(&self, report: &impl Fn(String)) {
        let all_but_last = self.segments.iter().rev().skip(1);
        for segment in all_but_last {
            if let Segment::Rest { name } = segment {
                report(format!(
                    "`{{*{name}}}` must come last: it matches the rest of the path\n\
                     help: `{{{name}}}` matches one segment"
                ));
            }
        }
    }

    /// Checks the number of segments: the rank of a match cannot hold more.
    fn check_length(&self, report: &impl Fn(String)) {
        let length = self.segments.len();
        if length > MAX_SEGMENTS {
            report(format!(
                "the path has {length} segments, but at most {MAX_SEGMENTS} are allowed"
            ));
        }
    }
}

/// Returns the number of parameters that a path with mistakes seems to have.
pub(crate) fn intended_param_count(path: &str) -> usize {
    let rewritten = foreign::rewrite(path).map(|rewritten| rewritten.path);
    let path = rewritten.as_deref().unwrap_or(path);
    path.split('/')
        .map(|segment| segment.matches('{').count())
        .sum()
}

/// Checks that a path begins with a slash; doubled and trailing slashes would have no meaning.
fn check_slashes(text: &str, report: &impl Fn(String)) {
    if text == "/" {
        return;
    }
    let parts: Vec<_> = text.split('/').filter(|part| !part.is_empty()).collect();
    let clean = format!("/{}", parts.join("/"));
    if !text.starts_with('/') {
        report(format!(
            "a path must begin with `/`\nhelp: write \"{clean}\""
        ));
    } else if text.contains("//") {
        report(format!(
            "the path has an empty segment, which matches no URL\nhelp: write \"{clean}\""
        ));
    } else if text.ends_with('/') {
        report(format!(
            "a slash at the end has no effect\nhelp: write \"{clean}\""
        ));
    }
}

/// Splits at the slashes outside of braces; empty segments are reported elsewhere.
fn split<'t>(text: &'t str, report: &impl Fn(String)) -> Vec<&'t str> {
    let mut parts = Vec::new();
    let (mut start, mut open, mut depth) = (0, None, 0_usize);
    for (at, character) in text.char_indices() {
        match character {
            '{' => {
                open = open.or(Some(at));
                depth += 1;
            }
            '}' => {
                depth = depth.saturating_sub(1);
                open = open.filter(|_| depth > 0);
            }
            '/' if open.is_none() => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    if let Some(open) = open {
        let unclosed = text[open..].split('/').next().unwrap_or_default();
        report(format!(
            "the brace of `{unclosed}` is not closed\nhelp: write `{unclosed}}}`"
        ));
    } else {
        parts.push(&text[start..]);
    }
    parts.retain(|part| !part.is_empty());
    parts
}

fn segment(part: &str, span: Span, report: &impl Fn(String)) -> Option<Segment> {
    let inner = part
        .strip_prefix('{')
        .and_then(|part| part.strip_suffix('}'));
    match inner {
        Some(inner) if is_balanced(inner) => parameter(part, inner, span, report),
        _ if part.contains('{') => {
            report(format!(
                "`{part}` mixes text and a parameter\n\
                 help: a parameter is a whole segment, as in \"/rooms/{{id}}\""
            ));
            None
        }
        _ => {
            check_literal(part, report);
            Some(Segment::Literal(part.to_owned()))
        }
    }
}

/// Whether the braces are balanced, as in `id: Of<{ N }>`.
fn is_balanced(text: &str) -> bool {
    let mut braces = text.chars().filter(|character| "{}".contains(*character));
    let depth = braces.try_fold(0_usize, |depth, brace| match brace {
        '{' => depth.checked_add(1),
        _ => depth.checked_sub(1),
    });
    depth == Some(0)
}

/// Checks a literal, which is written as in a URL, and must not need an escape there (RFC 3986,
/// section 3.3).
fn check_literal(text: &str, report: &impl Fn(String)) {
    if matches!(text, "." | "..") {
        report(format!(
            "clients resolve a `{text}` segment, so no request contains it\nhelp: remove it"
        ));
    } else if text.contains('}') {
        report(format!("`{text}` has a `}}` without a `{{`"));
    } else if let Some(bad) = text
        .chars()
        .find(|&character| !is_path_character(character))
    {
        report(format!(
            "`{}` in `{text}` must be escaped in a URL, so it cannot be in a path\n\
             help: use letters, digits and any of `-._~!$&'()+,;=:@`, or a parameter",
            bad.escape_debug()
        ));
    }
}

fn is_path_character(character: char) -> bool {
    character.is_ascii_alphanumeric() || "-._~!$&'()+,;=:@".contains(character)
}

/// Parses `id`, `id: u64` or `*rest`, the text between the braces.
fn parameter(part: &str, inner: &str, span: Span, report: &impl Fn(String)) -> Option<Segment> {
    let (name, written) = match inner.split_once(':') {
        Some((name, ty)) => (name.trim(), Some(ty.trim())),
        None => (inner.trim(), None),
    };
    let (name, is_rest) = match name.strip_prefix('*') {
        Some(name) => (name, true),
        None => (name, false),
    };
    let Some(ident) = parameter_name(name, span) else {
        report(format!(
            "`{name}` in `{part}` is not a valid name for a parameter\n\
             help: write a name such as `{{id}}` or `{{id: u64}}`"
        ));
        return None;
    };
    match written {
        Some(_) if is_rest => {
            report(format!(
                "a wildcard has no type: it is always text\nhelp: write `{{*{name}}}` instead of `{part}`"
            ));
            Some(Segment::Rest { name: ident })
        }
        None if is_rest => Some(Segment::Rest { name: ident }),
        None | Some("String") => Some(Segment::Text { name: ident }),
        Some(written) => typed(part, ident, written, span, report),
    }
}

/// Parses a typed parameter. Its type owns the parsed value, so it must be the path of a type.
fn typed(
    part: &str,
    name: Ident,
    written: &str,
    span: Span,
    report: &impl Fn(String),
) -> Option<Segment> {
    // Located at the path, but marked as an expansion, so that the compiler suggests no edits
    // there.
    let place = Span::call_site().located_at(span);
    if let Ok(ty @ Type::Path(_)) = LitStr::new(written, place).parse::<Type>() {
        let written = written.split_whitespace().collect();
        return Some(Segment::Typed {
            name,
            ty: Box::new(ty),
            written,
        });
    }
    report(format!(
        "`{written}` in `{part}` is not a valid type for a parameter\n\
         help: write an owned type that implements `FromStr`, as in `{{{name}: u64}}`, or \
         `{{{name}}}` for text"
    ));
    None
}

/// Parses a name, which is an identifier; a keyword becomes a raw one.
fn parameter_name(name: &str, span: Span) -> Option<Ident> {
    let name = name.strip_prefix("r#").unwrap_or(name);
    let reserved = matches!(name, "" | "_" | "self" | "Self" | "super" | "crate");
    let is_name = name.chars().all(|c| c == '_' || c.is_ascii_alphanumeric())
        && !name.starts_with(|c: char| c.is_ascii_digit());
    if reserved || !is_name {
        return None;
    }
    // `gen` is a keyword of edition 2024, which `syn` accepts as a name.
    let is_keyword = name == "gen";
    let mut ident = syn::parse_str::<Ident>(if is_keyword { "r#gen" } else { name })
        .or_else(|_| syn::parse_str::<Ident>(&format!("r#{name}")))
        .ok()?;
    ident.set_span(span);
    Some(ident)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the segments of a path, one letter each, or the messages about it.
    fn read(path: &str) -> Result<String, String> {
        let errors = Errors::new();
        let pattern = Pattern::parse(&LitStr::new(path, Span::call_site()), &errors);
        let shape = pattern.segments.iter().map(|segment| match segment {
            Segment::Literal(text) => format!("/{text}"),
            Segment::Typed { name, written, .. } => format!("/{name}={written}"),
            Segment::Text { name } => format!("/{name}"),
            Segment::Rest { name } => format!("/*{name}"),
        });
        let shape = shape.collect();
        errors
            .finish()
            .map(|()| shape)
            .map_err(|tokens| tokens.to_string())
    }

    #[test]
    fn literals_and_parameters_are_distinguished() {
        assert_eq!(read("/").as_deref(), Ok(""));
        assert_eq!(
            read("/rooms/{id: u64}/chat").as_deref(),
            Ok("/rooms/id=u64/chat")
        );
        assert_eq!(read("/{name}/{*rest}").as_deref(), Ok("/name/*rest"));
        assert_eq!(read("/{name: String}").as_deref(), Ok("/name"));
        assert_eq!(
            read("/{id : std::net::IpAddr}").as_deref(),
            Ok("/id=std::net::IpAddr")
        );
        assert_eq!(
            read("/{type: u8}/{r#match}").as_deref(),
            Ok("/r#type=u8/r#match")
        );
        assert_eq!(read("/{gen}/{try: u8}").as_deref(), Ok("/r#gen/r#try=u8"));
        assert_eq!(
            read("/{id: Of<u8, { N / 2 }>}/x").as_deref(),
            Ok("/id=Of<u8,{N/2}>/x")
        );
        assert_eq!(read("/v1.0/a-b_c~/@me").as_deref(), Ok("/v1.0/a-b_c~/@me"));
    }

    #[test]
    fn every_mistake_of_a_path_is_quoted() {
        let wrong = [
            ("rooms", "must begin with `/`"),
            ("", "must begin with `/`"),
            ("/a//b", "empty segment"),
            ("/a/", "has no effect"),
            ("/{id", "`{id` is not closed"),
            ("/{id/x", "`{id` is not closed"),
            ("/{id: Of<{ N }>/x", "is not closed"),
            ("/{{id}}", "`{id}` in `{{id}}` is not a valid name"),
            ("/{1d}", "`1d` in `{1d}` is not a valid name"),
            ("/{}", "`` in `{}` is not a valid name"),
            ("/{self}", "`self` in `{self}` is not a valid name"),
            ("/{a}/{a}", "two parameters are named `a`"),
            ("/a{b}", "`a{b}` mixes"),
            ("/{a}{b}", "`{a}{b}` mixes"),
            ("/{*a}/b", "`{*a}` must come last"),
            ("/{*a: u64}", "a wildcard has no type: it is always text"),
            ("/a b", "` ` in `a b`"),
            ("/a?b", "`?` in `a?b`"),
            ("/caf\u{e9}", "`\u{e9}` in `caf\u{e9}`"),
            ("/a%20b", "`%` in `a%20b`"),
            ("/../b", "`..` segment"),
            ("/:id", "another router: `:id`"),
            ("/*", "another router: `*`"),
            ("/a}", "`a}` has a `}`"),
            ("/{id: &str}", "`&str` in `{id: &str}` is not a valid type"),
            ("/{id:}", "is not a valid type"),
        ];
        for (path, part) in wrong {
            let messages = read(path).expect_err(path);
            assert!(messages.contains(part), "{path}: {messages}");
            assert_eq!(
                messages.matches("compile_error").count(),
                1,
                "{path}: {messages}"
            );
        }
    }

    #[test]
    fn a_path_has_at_most_32_segments() {
        assert_eq!(read(&"/x".repeat(32)), Ok("/x".repeat(32)));
        assert!(
            read(&"/x".repeat(33))
                .unwrap_err()
                .contains("the path has 33 segments")
        );
    }
}
