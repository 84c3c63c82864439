//! Patterns in the syntax of other routers, and their translation.

use super::Syntax;

/// The foreign syntax that was found in a path.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Foreign {
    /// `ws://localhost/rooms`
    Url,
    /// `/rooms?sort=name`
    Query,
    /// `/rooms#top`
    Fragment,
    /// `/rooms/{id?}`
    Optional(String),
    /// `/rooms/:id`, `/files/*`: the segments with different syntax.
    Segments(Vec<String>),
    /// `room/:id`: the same in the pattern of a topic, which has no wildcards.
    TopicSegments(Vec<String>),
}

/// A path in foreign syntax, and its translation.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Rewritten {
    pub found: Foreign,
    pub path: String,
}

impl Rewritten {
    /// Returns the message about the path.
    pub(crate) fn message(&self) -> String {
        let Self { found, path } = self;
        match found {
            Foreign::Url => format!(
                "a path must not contain a scheme or a host: a route matches on every host\n\
                 help: write \"{path}\""
            ),
            Foreign::Query => format!(
                "a path must not contain a query\nhelp: write \"{path}\", and take `Query<T>` in \
                 `init`"
            ),
            Foreign::Fragment => {
                format!(
                    "a path must not contain a fragment: clients never send it\nhelp: write \
                     \"{path}\""
                )
            }
            Foreign::Optional(segment) => {
                let parts: Vec<_> = path.rsplitn(2, '/').collect();
                let without = parts.get(1).filter(|start| !start.is_empty());
                format!(
                    "a parameter cannot be optional, as in `{segment}`\n\
                     help: write two routes, with \"{}\" and with \"{path}\"",
                    without.unwrap_or(&"/")
                )
            }
            Foreign::Segments(segments) => format!(
                "the path uses the syntax of another router: `{}`\n\
                 help: a parameter is `{{id}}`, a wildcard is `{{*rest}}`: write \"{path}\"",
                segments.join("`, `")
            ),
            Foreign::TopicSegments(segments) => format!(
                "the pattern uses the syntax of another library: `{}`\n\
                 help: a parameter is `{{id}}`, a whole segment: write \"{path}\"",
                segments.join("`, `")
            ),
        }
    }
}

/// Translates a pattern to the syntax of this library; returns `None` if it contains no foreign
/// syntax.
pub(crate) fn rewrite(text: &str, syntax: Syntax) -> Option<Rewritten> {
    match syntax {
        Syntax::Path => rewrite_path(text),
        Syntax::TopicName => rewrite_name(text),
    }
}

/// The pattern of a topic has parameters only, each one segment.
fn rewrite_name(text: &str) -> Option<Rewritten> {
    let mut found = Vec::new();
    let translated = split(text).into_iter().map(|segment| {
        let Some(mut parameter) = ForeignParameter::of(segment) else {
            return segment.to_owned();
        };
        found.push(segment.to_owned());
        if let ParameterKind::Rest = parameter.kind {
            parameter.kind = ParameterKind::Text;
        }
        parameter.written()
    });
    let path = translated.collect::<Vec<_>>().join("/");
    (!found.is_empty()).then_some(Rewritten {
        found: Foreign::TopicSegments(found),
        path,
    })
}

fn rewrite_path(text: &str) -> Option<Rewritten> {
    if let Some((scheme, rest)) = text.split_once("://")
        && scheme.chars().all(|c| c.is_ascii_alphanumeric())
    {
        let path = rest.find('/').map_or("/", |at| &rest[at..]);
        return Some(Rewritten {
            found: Foreign::Url,
            path: rewrite_path(path).map_or_else(|| path.to_owned(), |inner| inner.path),
        });
    }
    let mut found = Vec::new();
    let mut optional = None;
    let mut segments = Vec::new();
    for segment in split(text) {
        match ForeignParameter::of(segment) {
            Some(parameter) => {
                if parameter.is_optional {
                    optional = Some(segment.to_owned());
                }
                found.push(segment.to_owned());
                segments.push(parameter.written());
            }
            None => segments.push(segment.to_owned()),
        }
    }
    let path = segments.join("/");
    let rewritten = |found, path: &str| {
        Some(Rewritten {
            found,
            path: path.to_owned(),
        })
    };
    if let Some(segment) = optional {
        return rewritten(Foreign::Optional(segment), &path);
    }
    if let Some((before, _)) = path
        .split_once('?')
        .filter(|(before, query)| is_outside_braces(before) && query.contains('='))
    {
        return rewritten(Foreign::Query, before);
    }
    if let Some((before, _)) = path
        .split_once('#')
        .filter(|(before, _)| is_outside_braces(before))
    {
        return rewritten(Foreign::Fragment, before);
    }
    if found.is_empty() {
        return None;
    }
    rewritten(Foreign::Segments(found), &path)
}

fn is_outside_braces(before: &str) -> bool {
    before.matches('{').count() == before.matches('}').count()
}

/// Splits at all slashes outside of brackets of any kind.
fn split(text: &str) -> Vec<&str> {
    let mut depth = 0_usize;
    let at_slash = |character: char| {
        match character {
            '{' | '<' | '[' | '(' => depth += 1,
            '}' | '>' | ']' | ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        character == '/' && depth == 0
    };
    text.split(at_slash).collect()
}

/// A parameter in the syntax of another router.
#[derive(Debug)]
struct ForeignParameter<'s> {
    name: &'s str,
    kind: ParameterKind,
    is_optional: bool,
}

#[derive(Debug)]
enum ParameterKind {
    Text,
    Number,
    Rest,
}

impl<'s> ForeignParameter<'s> {
    /// Parses `<id>`, `<rest..>`, `:id`, `*`, `{rest..}`, `{id:[0-9]+}`, `[id]` and similar
    /// parameters.
    fn of(segment: &'s str) -> Option<Self> {
        let within = |open, close| segment.strip_prefix(open)?.strip_suffix(close);
        if let Some(inner) = within('<', '>') {
            return Some(Self::in_angles(inner));
        }
        if let Some(inner) = within('{', '}') {
            return Self::in_braces(inner);
        }
        if let Some(inner) = within('[', ']') {
            let inner = inner.trim_start_matches('[').trim_end_matches(']');
            return Some(Self::named(inner));
        }
        if segment.starts_with('*') {
            return Some(Self::rest(leading_name(segment.trim_start_matches('*'))));
        }
        let rest = segment.strip_prefix(':')?;
        let name = leading_name(rest);
        Some(Self::with_pattern(name, &rest[name.len()..]))
    }

    /// `id`, `rest..`, `int:id`, `path:rest`
    fn in_angles(inner: &'s str) -> Self {
        let Some((before, behind)) = inner.split_once(':') else {
            return Self::named(inner);
        };
        match before.trim() {
            "path" => Self::rest(leading_name(behind.trim())),
            "int" => Self::number(leading_name(behind.trim())),
            "string" | "str" | "uuid" | "float" => Self::named(behind.trim()),
            name => Self::with_pattern(leading_name(name), behind),
        }
    }

    /// Parses `rest..`, `rest*`, `**rest`, `...rest`, `id?`, `id:[0-9]+`; other braces are valid,
    /// or have a mistake of another kind.
    fn in_braces(inner: &'s str) -> Option<Self> {
        if let Some((name, pattern)) = inner.split_once(':') {
            let (name, pattern) = (name.trim(), pattern.trim());
            let is_pattern = pattern.contains(['\\', '^', '$', '+', '*', '?', '|'])
                || (pattern.starts_with('[') && pattern.contains('-'));
            let is_name = leading_name(name) == name && !name.is_empty();
            return (is_pattern && is_name).then(|| Self::with_pattern(name, pattern));
        }
        let is_own = inner
            .strip_prefix('*')
            .is_some_and(|name| !name.is_empty() && leading_name(name) == name);
        let has_signs = inner.starts_with(['*', '.'])
            || inner.ends_with(['*', '+', '?'])
            || inner.ends_with("..");
        (has_signs && !is_own).then(|| Self::named(inner))
    }

    /// Parses a name with signs around it: `rest..`, `...rest`, `**rest`, `id?`.
    fn named(inner: &'s str) -> Self {
        let name = leading_name(inner.trim_start_matches(['.', '*']));
        let is_rest = inner.contains("..") || inner.contains(['*', '+']);
        if is_rest {
            return Self::rest(name);
        }
        Self {
            name,
            kind: ParameterKind::Text,
            is_optional: inner.ends_with('?'),
        }
    }

    /// Parses a name with a regular expression, or a sign of one.
    fn with_pattern(name: &'s str, pattern: &str) -> Self {
        let pattern = pattern.trim().trim_matches(['(', ')', '^', '$']);
        match pattern {
            "*" | "+" | "**" | ".*" | ".+" | ".*?" => Self::rest(name),
            _ if pattern.starts_with("\\d") || pattern.starts_with("[0-9]") => Self::number(name),
            _ => Self {
                name,
                kind: ParameterKind::Text,
                is_optional: pattern == "?",
            },
        }
    }

    fn rest(name: &'s str) -> Self {
        Self {
            name,
            kind: ParameterKind::Rest,
            is_optional: false,
        }
    }

    fn number(name: &'s str) -> Self {
        Self {
            name,
            kind: ParameterKind::Number,
            is_optional: false,
        }
    }

    fn written(&self) -> String {
        let or = |name: &'static str| match self.name {
            "" | "_" => name.to_owned(),
            given => given.to_owned(),
        };
        match self.kind {
            ParameterKind::Text => format!("{{{}}}", or("id")),
            ParameterKind::Number => format!("{{{}: u64}}", or("id")),
            ParameterKind::Rest => format!("{{*{}}}", or("rest")),
        }
    }
}

fn leading_name(text: &str) -> &str {
    let end = text.find(|c: char| c != '_' && !c.is_ascii_alphanumeric());
    &text[..end.unwrap_or(text.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(path: &str) -> Option<String> {
        rewrite_path(path).map(|rewritten| rewritten.path)
    }

    #[test]
    fn the_syntax_of_other_routers_is_translated() {
        let paths = [
            ("/rooms/<id>", "/rooms/{id}"),
            ("/files/<rest..>", "/files/{*rest}"),
            ("/files/<_..>", "/files/{*rest}"),
            ("/rooms/<int:id>", "/rooms/{id: u64}"),
            ("/files/<path:file>", "/files/{*file}"),
            ("/files/{rest*}", "/files/{*rest}"),
            ("/files/{rest..}", "/files/{*rest}"),
            ("/files/{**rest}", "/files/{*rest}"),
            ("/files/{...rest}", "/files/{*rest}"),
            ("/files/{*}", "/files/{*rest}"),
            ("/files/{tail:.*}", "/files/{*tail}"),
            ("/rooms/{id:\\d+}", "/rooms/{id: u64}"),
            ("/rooms/{id:[0-9]+}", "/rooms/{id: u64}"),
            ("/rooms/{name:[a-z]+}", "/rooms/{name}"),
            ("/rooms/:id/seats/:seat", "/rooms/{id}/seats/{seat}"),
            ("/rooms/:id(\\d+)", "/rooms/{id: u64}"),
            ("/files/:rest*", "/files/{*rest}"),
            ("/files/*", "/files/{*rest}"),
            ("/files/**", "/files/{*rest}"),
            ("/files/*file", "/files/{*file}"),
            ("/rooms/[id]", "/rooms/{id}"),
            ("/files/[...file]", "/files/{*file}"),
            ("ws://localhost/rooms", "/rooms"),
            ("wss://chat.example:8443", "/"),
            ("https://chat.example/rooms/:id", "/rooms/{id}"),
            ("/rooms?sort=name", "/rooms"),
            ("/rooms#top", "/rooms"),
            ("/rooms/{id?}", "/rooms/{id}"),
            ("/rooms/:id?", "/rooms/{id}"),
        ];
        for (path, own) in paths {
            assert_eq!(rewritten(path).as_deref(), Some(own), "{path}");
            assert_eq!(rewritten(own), None, "{own}");
        }
    }

    #[test]
    fn other_mistakes_are_left_to_their_own_messages() {
        let paths = [
            "/",
            "rooms",
            "/a//b",
            "/{id",
            "/{id: &str}",
            "/{name: (u8}",
            "/{a}{b}",
            "/a b?",
            "/{id: Of<u8, { N / 2 }>}/x",
            "/{ip: std::net::IpAddr}",
            "/{*rest: u64}",
            "/v1.0/@me",
            "/a:b",
            "/chat room?",
            "/{1d}",
            "/{}",
            "/{*a}/b",
            "/{id:}",
        ];
        for path in paths {
            assert_eq!(rewritten(path), None, "{path}");
        }
    }

    #[test]
    fn an_optional_parameter_is_two_routes() {
        let message = rewrite_path("/rooms/{id?}").unwrap().message();
        assert_eq!(
            message,
            "a parameter cannot be optional, as in `{id?}`\n\
             help: write two routes, with \"/rooms\" and with \"/rooms/{id}\""
        );
        let message = rewrite_path("/:id?").unwrap().message();
        assert!(
            message.contains("with \"/\" and with \"/{id}\""),
            "{message}"
        );
    }
}
