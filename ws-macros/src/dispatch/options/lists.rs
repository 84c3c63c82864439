//! Options that are lists of texts: origins and subprotocols.

use syn::LitStr;

use crate::errors::Errors;

/// An origin is a scheme and an authority, and nothing behind it (RFC 6454, section 6.2).
pub fn origins(list: &[LitStr], errors: &Errors) -> Result<Vec<String>, String> {
    for origin in list {
        let text = origin.value();
        let authority = text.split_once("://").map(|(_, authority)| authority);
        let is_origin = authority.is_some_and(|authority| {
            !authority.is_empty()
                && authority
                    .chars()
                    .all(|c| c.is_ascii_graphic() && !"/?#@\\\"".contains(c))
        });
        if !is_origin {
            errors.push(
                origin,
                format!(
                    "`{text}` is no origin\n\
                     help: write scheme and host, and the port where it is not the scheme's own, \
                     as in \"https://app.example:8443\""
                ),
            );
        }
    }
    distinct(list, "origin", errors)
}

/// A subprotocol is a token (RFC 6455, section 4.1; RFC 7230, section 3.2.6).
pub fn protocols(list: &[LitStr], errors: &Errors) -> Result<Vec<String>, String> {
    for protocol in list {
        let text = protocol.value();
        let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        if text.is_empty() || !text.chars().all(is_token) {
            errors.push(
                protocol,
                format!(
                    "`{text}` is no name for a subprotocol\n\
                     help: use letters, digits and any of !#$%&'*+-.^_`|~"
                ),
            );
        } else if text.eq_ignore_ascii_case("bearer") {
            errors.push(
                protocol,
                format!(
                    "`{text}` is never chosen: in the list of a client it says that the next \
                     element is a token\n\
                     help: remove it, and take `Bearer` in `init`"
                ),
            );
        }
    }
    distinct(list, "subprotocol", errors)
}

/// A list says something, and nothing twice.
fn distinct(list: &[LitStr], what: &str, errors: &Errors) -> Result<Vec<String>, String> {
    let texts: Vec<String> = list.iter().map(LitStr::value).collect();
    if texts.is_empty() {
        return Err(format!(
            "the list is empty\nhelp: name {what}, or remove the option"
        ));
    }
    for (at, text) in texts.iter().enumerate() {
        if texts[..at].contains(text) {
            errors.push(
                &list[at],
                format!("the {what} `{text}` is there twice\nhelp: remove one"),
            );
        }
    }
    Ok(texts)
}
