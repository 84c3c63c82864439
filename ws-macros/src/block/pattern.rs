//! The path of a route or the pattern of a topic, parsed, and the rules of its syntax.
//!
//! A string literal has only one span on stable Rust, so every message quotes the wrong part. The
//! valid parts of a pattern with a mistake are parsed too, so that the items in the stubs have the
//! right parameters.

mod foreign;
mod rules;

use std::cell::Cell;

use proc_macro2::Span;
use syn::{Ident, LitStr, Type};

use crate::errors::Errors;

use self::rules::{check_literal, check_slashes};

/// The maximum number of segments of a path: the router ranks no more.
pub(crate) const MAX_SEGMENTS: usize = 32;

/// The maximum length of the name of a topic in bytes, which is checked again when a name is written.
const MAX_NAME_LEN: usize = 256;

/// What a pattern is the pattern of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Syntax {
    /// Paths of requests: `/rooms/{id: u64}`.
    Path,
    /// Names of topics: `room/{id: u64}`. Each parameter is printed.
    TopicName,
}

/// The string of a line.
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
        let path = LitStr::new(path, Span::call_site());
        let pattern = Self::parse(&path, Syntax::Path, &errors);
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

    /// Parses a pattern and reports its mistakes.
    pub(crate) fn parse(pattern: &LitStr, syntax: Syntax, errors: &Errors) -> Self {
        let text = pattern.value();
        let is_flawed = Cell::new(false);
        let report = |message: String| {
            is_flawed.set(true);
            errors.push(pattern, message);
        };
        let text = match foreign::rewrite(&text, syntax) {
            Some(rewritten) => {
                report(rewritten.message());
                rewritten.path
            }
            None => text,
        };
        check_slashes(&text, syntax, &report);
        let mut segments = Vec::new();
        for part in split(&text, &report) {
            if let Some(segment) = segment(part, syntax, pattern.span(), &report) {
                segments.push(segment);
            }
        }
        let mut pattern = Self {
            segments,
            is_flawed: false,
        };
        pattern.check_names(&report);
        match syntax {
            Syntax::Path => {
                pattern.check_rest(&report);
                pattern.check_length(&report);
            }
            Syntax::TopicName => pattern.check_name_length(&report),
        }
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

    /// Checks that the names of a topic can be within the limit.
    fn check_name_length(&self, report: &impl Fn(String)) {
        let literals = self.segments.iter().map(|segment| match segment {
            Segment::Literal(text) => text.len(),
            _ => 0,
        });
        let slashes = self.segments.len().saturating_sub(1);
        let length = literals.sum::<usize>() + slashes;
        if length > MAX_NAME_LEN {
            report(format!(
                "each name of this topic has at least {length} bytes, but at most {MAX_NAME_LEN} \
                 are allowed"
            ));
        }
    }
}

/// Returns the number of parameters that a pattern with mistakes seems to have.
pub(crate) fn intended_param_count(path: &str, syntax: Syntax) -> usize {
    let rewritten = foreign::rewrite(path, syntax).map(|rewritten| rewritten.path);
    let path = rewritten.as_deref().unwrap_or(path);
    path.split('/')
        .map(|segment| segment.matches('{').count())
        .sum()
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

fn segment(part: &str, syntax: Syntax, span: Span, report: &impl Fn(String)) -> Option<Segment> {
    let inner = part
        .strip_prefix('{')
        .and_then(|part| part.strip_suffix('}'));
    match inner {
        Some(inner) if is_balanced(inner) => parameter(part, inner, syntax, span, report),
        _ if part.contains('{') => {
            let example = match syntax {
                Syntax::Path => "/rooms/{id}",
                Syntax::TopicName => "room/{id}",
            };
            report(format!(
                "`{part}` mixes text and a parameter\n\
                 help: a parameter is a whole segment, as in \"{example}\""
            ));
            None
        }
        _ => {
            check_literal(part, syntax, report);
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

/// Parses `id`, `id: u64` or `*rest`, the text between the braces.
fn parameter(
    part: &str,
    inner: &str,
    syntax: Syntax,
    span: Span,
    report: &impl Fn(String),
) -> Option<Segment> {
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
    if is_rest && syntax == Syntax::TopicName {
        report(format!(
            "`{part}` cannot be in the pattern of a topic, whose parameters are whole segments\n\
             help: write `{{{name}}}` for one segment"
        ));
        return Some(Segment::Text { name: ident });
    }
    match written {
        Some(_) if is_rest => {
            report(format!(
                "a wildcard has no type: it is always text\nhelp: write `{{*{name}}}` instead of `{part}`"
            ));
            Some(Segment::Rest { name: ident })
        }
        None if is_rest => Some(Segment::Rest { name: ident }),
        None | Some("String") => Some(Segment::Text { name: ident }),
        Some(written) => typed(part, ident, written, syntax, span, report),
    }
}

/// Whether this type of number is not `Eq`.
pub(crate) fn is_inexact(ty: &str) -> bool {
    matches!(ty, "f32" | "f64")
}

/// Parses a typed parameter. Its type owns the parsed value, so it must be the path of a type.
fn typed(
    part: &str,
    name: Ident,
    written: &str,
    syntax: Syntax,
    span: Span,
    report: &impl Fn(String),
) -> Option<Segment> {
    // Located at the path, but marked as an expansion, so that the compiler suggests no edits
    // there.
    let place = Span::call_site().located_at(span);
    if let Ok(ty @ Type::Path(_)) = LitStr::new(written, place).parse::<Type>() {
        let written: String = written.split_whitespace().collect();
        if syntax == Syntax::TopicName && is_inexact(&written) {
            report(format!(
                "`{written}` in `{part}` cannot identify a topic, because it is not `Eq`\n\
                 help: write an integer type, or `{{{name}}}` for text"
            ));
        }
        return Some(Segment::Typed {
            name,
            ty: Box::new(ty),
            written,
        });
    }
    let required = match syntax {
        Syntax::Path => "FromStr",
        Syntax::TopicName => "Display",
    };
    report(format!(
        "`{written}` in `{part}` is not a valid type for a parameter\n\
         help: write an owned type that implements `{required}`, as in `{{{name}: u64}}`, or \
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
mod tests;
