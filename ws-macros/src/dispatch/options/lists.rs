//! Options that are lists of texts: origins and subprotocols.

use syn::LitStr;

use crate::errors::Errors;

/// Checks origins: each is a scheme and an authority, without a path (RFC 6454, section 6.2). A `*`
/// is its first label; `null` has neither.
pub(crate) fn origins(list: &[LitStr], errors: &Errors) -> Result<Vec<String>, String> {
    for origin in list {
        let text = origin.value();
        if text == "null" || text == "file://" {
            continue;
        }
        let (scheme, authority) = text.split_once("://").unwrap_or(("", ""));
        let is_origin = !scheme.is_empty()
            && !authority.is_empty()
            && authority
                .chars()
                .all(|c| c.is_ascii_graphic() && !"/?#@\\\"".contains(c));
        if !is_origin {
            errors.push(
                origin,
                format!(
                    "`{text}` is not an origin\n\
                     help: write the scheme and the host, and the port unless it is the default \
                     of the scheme, as in \"https://app.example:8443\""
                ),
            );
        } else if let Some((what, help)) = wildcard_mistake(scheme, authority) {
            errors.push(origin, format!("`{text}` {what}\nhelp: {help}"));
        }
    }
    distinct(list, "origin", errors)
}

/// Returns the mistake in the `*` of an origin, and the correction.
fn wildcard_mistake(scheme: &str, authority: &str) -> Option<(&'static str, &'static str)> {
    const HELP: &str = "write `*` for the whole first label, as in \"https://*.preview.example\"";
    if !scheme.contains('*') && !authority.contains('*') {
        return None;
    }
    let host = authority.split(':').next().unwrap_or_default();
    if host == "*" && !scheme.contains('*') {
        let what = "would allow every host";
        return Some((what, "name the domain, as in \"https://*.preview.example\""));
    }
    let domain = host.strip_prefix("*.").filter(|_| !scheme.contains('*'));
    let Some(domain) = domain.filter(|_| authority.matches('*').count() == 1) else {
        return Some(("has a `*` that is not its first label", HELP));
    };
    let labels: Vec<_> = domain.split('.').collect();
    let last = labels.last().copied().unwrap_or_default();
    if labels.contains(&"") || last.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(("has a `*` before something that is not a domain", HELP));
    }
    (labels.len() < 2).then_some((
        "would allow every site of a top-level domain",
        "name a domain below it, as in \"https://*.preview.example\"",
    ))
}

/// A subprotocol is a token (RFC 6455, section 4.1; RFC 7230, section 3.2.6).
pub(crate) fn protocols(list: &[LitStr], errors: &Errors) -> Result<Vec<String>, String> {
    for protocol in list {
        let text = protocol.value();
        let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        if text.is_empty() || !text.chars().all(is_token) {
            errors.push(
                protocol,
                format!(
                    "`{text}` is not a valid name for a subprotocol\n\
                     help: use letters, digits and any of !#$%&'*+-.^_`|~"
                ),
            );
        } else if text.eq_ignore_ascii_case("bearer") {
            errors.push(
                protocol,
                format!(
                    "`{text}` is never selected: in the list of a client it announces that the \
                     next \
                     element is a token\n\
                     help: remove it, and take `Bearer` in `init`"
                ),
            );
        }
    }
    distinct(list, "subprotocol", errors)
}

/// Checks that a list is not empty and contains no text twice.
fn distinct(list: &[LitStr], what: &str, errors: &Errors) -> Result<Vec<String>, String> {
    let texts: Vec<String> = list.iter().map(LitStr::value).collect();
    if texts.is_empty() {
        return Err("the list is empty\nhelp: add an entry, or remove the option".to_owned());
    }
    for (at, text) in texts.iter().enumerate() {
        if texts[..at].contains(text) {
            errors.push(
                &list[at],
                format!("the {what} `{text}` is listed twice\nhelp: remove one"),
            );
        }
    }
    Ok(texts)
}
