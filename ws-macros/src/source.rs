//! The user's code, as messages quote it and point at it.

use std::collections::HashSet;

use proc_macro2::{Group, Ident, Span, TokenStream, TokenTree};
use quote::ToTokens;

/// Prints tokens as a user would write them; the compiler prints a space on each side.
pub(crate) fn written(tokens: impl ToTokens) -> String {
    let mut text = tokens.into_token_stream().to_string();
    for (printed, written) in [
        (" < ", "<"),
        (" <", "<"),
        ("< ", "<"),
        (" >", ">"),
        (" ,", ","),
        (" :: ", "::"),
    ] {
        text = text.replace(printed, written);
    }
    for (printed, written) in [
        ("& ", "&"),
        (":: ", "::"),
        (" (", "("),
        (" [", "["),
        ("# ", "#"),
    ] {
        text = text.replace(printed, written);
    }
    text
}

/// Returns the same tokens with another span. A message is shown there only if all tokens of its
/// subject have this span.
pub(crate) fn respanned(tokens: TokenStream, place: Span) -> TokenStream {
    with_spans(tokens, place, place)
}

/// Returns the same tokens; the compiler reports their errors at `place`. An editor finds their
/// names at the other span, before it: on a name of the user, it must go only to that name.
pub(crate) fn with_spans(tokens: TokenStream, place: Span, names: Span) -> TokenStream {
    let tokens = tokens.into_iter().map(|mut token| {
        if let TokenTree::Group(group) = &token {
            let inner = with_spans(group.stream(), place, names);
            token = TokenTree::Group(Group::new(group.delimiter(), inner));
        }
        let is_name = matches!(token, TokenTree::Ident(_));
        token.set_span(if is_name { names } else { place });
        token
    });
    tokens.collect()
}

/// Returns a name for a type parameter that these tokens do not contain.
pub(crate) fn unused_name(start: &str, tokens: impl ToTokens) -> Ident {
    let taken = UsedNames::of(&tokens.into_token_stream()).idents;
    let mut name = start.to_owned();
    while taken.contains(&name) {
        name.push_str("Here");
    }
    Ident::new(&name, Span::call_site())
}

/// The names in some tokens.
#[derive(Default)]
pub(crate) struct UsedNames {
    pub idents: HashSet<String>,
    pub lifetimes: HashSet<String>,
}

impl UsedNames {
    pub(crate) fn of(tokens: &TokenStream) -> Self {
        let mut found = Self::default();
        found.read(tokens);
        found
    }

    fn read(&mut self, tokens: &TokenStream) {
        let mut follows_quote = false;
        for token in tokens.clone() {
            let is_quote = matches!(&token, TokenTree::Punct(punct) if punct.as_char() == '\'');
            match &token {
                TokenTree::Group(group) => self.read(&group.stream()),
                TokenTree::Ident(ident) if follows_quote => {
                    self.lifetimes.insert(ident.to_string());
                }
                TokenTree::Ident(ident) => {
                    self.idents.insert(ident.to_string());
                }
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
            follows_quote = is_quote;
        }
    }
}

/// Returns the head of an item: the tokens before its braces, parentheses or semicolon, without the
/// attributes.
pub(crate) fn head_of(item: &TokenStream) -> TokenStream {
    let is_sign = |token: &TokenTree, sign: char| matches!(token, TokenTree::Punct(punct) if punct.as_char() == sign);
    let mut tokens = item.clone().into_iter().peekable();
    while tokens.next_if(|token| is_sign(token, '#')).is_some() {
        // The brackets of the attribute.
        tokens.next();
    }
    tokens
        .take_while(|token| !matches!(token, TokenTree::Group(_)) && !is_sign(token, ';'))
        .collect()
}

/// Returns the known name that is most similar to this one, if any is similar.
pub(crate) fn nearest<'k>(name: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let likeness = |known: &str| strsim::jaro_winkler(name, known);
    let best = known
        .into_iter()
        .max_by(|a, b| likeness(a).total_cmp(&likeness(b)))?;
    (likeness(best) > 0.8).then_some(best)
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::quote;

    #[test]
    fn types_are_written_without_the_spaces_of_the_printer() {
        assert_eq!(written(quote!(Arc<Vec<String>>)), "Arc<Vec<String>>");
        assert_eq!(written(quote!(&'static str)), "&'static str");
        assert_eq!(written(quote!(std::sync::Arc<u8>)), "std::sync::Arc<u8>");
        assert_eq!(written(quote!(Map<u8, Vec<u8>>)), "Map<u8, Vec<u8>>");
    }

    #[test]
    fn conditions_are_written_without_the_spaces_of_the_printer() {
        let condition = quote!(#[cfg(all(not(feature = "a"), unix))]);
        assert_eq!(
            written(condition),
            "#[cfg(all(not(feature = \"a\"), unix))]"
        );
    }

    #[test]
    fn an_unused_name_differs_from_the_users_names() {
        assert_eq!(unused_name("SomeRoute", quote!(App<Route>)), "SomeRoute");
        assert_eq!(
            unused_name("SomeRoute", quote!(App<[SomeRoute; 2]>)),
            "SomeRouteHere"
        );
    }

    #[test]
    fn the_head_of_an_item_has_neither_attributes_nor_body() {
        let item = quote!(
            #[derive(Clone)]
            #[doc = "x"]
            pub struct Room {
                name: String,
            }
        );
        assert_eq!(head_of(&item).to_string(), "pub struct Room");
        assert_eq!(
            head_of(&quote!(
                struct Room;
            ))
            .to_string(),
            "struct Room"
        );
    }
}
