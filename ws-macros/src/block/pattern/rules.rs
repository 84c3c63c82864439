//! The rules for the slashes and the literals of a pattern.

use super::Syntax;

/// Checks the slashes at the start and the end of a pattern, and doubled ones.
pub(crate) fn check_slashes(text: &str, syntax: Syntax, report: &impl Fn(String)) {
    let parts: Vec<_> = text.split('/').filter(|part| !part.is_empty()).collect();
    let clean = parts.join("/");
    match syntax {
        Syntax::Path if text == "/" => {}
        Syntax::Path => check_slashes_of_path(text, &format!("/{clean}"), report),
        Syntax::TopicName => check_slashes_of_name(text, &clean, report),
    }
}

/// A path begins with a slash; doubled and trailing slashes would have no meaning.
fn check_slashes_of_path(text: &str, clean: &str, report: &impl Fn(String)) {
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

/// No segment of a name is empty, so that names that look alike are the same.
fn check_slashes_of_name(text: &str, clean: &str, report: &impl Fn(String)) {
    if clean.is_empty() {
        report("the pattern of a topic is empty\nhelp: write a name such as \"lobby\"".to_owned());
    } else if text.starts_with('/') {
        report(format!(
            "the pattern of a topic must not begin with `/`\nhelp: write \"{clean}\""
        ));
    } else if text.contains("//") {
        report(format!(
            "the pattern has an empty segment\nhelp: write \"{clean}\""
        ));
    } else if text.ends_with('/') {
        report(format!(
            "the pattern of a topic must not end with `/`\nhelp: write \"{clean}\""
        ));
    }
}

/// Checks a literal, which is written as in a URL, and must not need an escape there (RFC 3986,
/// section 3.3). Parameters in the name of a topic are escaped in the same way.
pub(crate) fn check_literal(text: &str, syntax: Syntax, report: &impl Fn(String)) {
    if syntax == Syntax::Path && matches!(text, "." | "..") {
        report(format!(
            "clients resolve a `{text}` segment, so no request contains it\nhelp: remove it"
        ));
    } else if text.contains('}') {
        report(format!("`{text}` has a `}}` without a `{{`"));
    } else if let Some(bad) = text
        .chars()
        .find(|&character| !is_path_character(character))
    {
        let bad = bad.escape_debug();
        let cannot = match syntax {
            Syntax::Path => "must be escaped in a URL, so it cannot be in a path",
            Syntax::TopicName => "cannot be in the pattern of a topic",
        };
        report(format!(
            "`{bad}` in `{text}` {cannot}\n\
             help: use letters, digits and any of `-._~!$&'()+,;=:@`, or a parameter"
        ));
    }
}

fn is_path_character(character: char) -> bool {
    character.is_ascii_alphanumeric() || "-._~!$&'()+,;=:@".contains(character)
}
