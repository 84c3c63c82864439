//! Names that an expansion gives. The compiler shows them in its messages, so they are words; and
//! the user may use the same words, so they are chosen.

use std::collections::HashSet;

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::format_ident;
use syn::Lifetime;

/// A name for a type, by this word, that is not in what the user wrote.
pub fn free_ident(word: &str, written: &TokenStream) -> Ident {
    let name = free(word, &Written::of(written).idents);
    Ident::new(&name, Span::call_site())
}

/// The same for a lifetime.
pub fn free_lifetime(word: &str, written: &TokenStream) -> Lifetime {
    let name = free(word, &Written::of(written).lifetimes);
    Lifetime::new(&format!("'{name}"), Span::call_site())
}

/// A local variable. Hygiene keeps it apart from the user's, yet not from constants and unit
/// structs, which a binding of their name would be a pattern for.
pub fn local(text: &str) -> Ident {
    format_ident!("hook_{text}", span = Span::mixed_site())
}

fn free(word: &str, taken: &HashSet<String>) -> String {
    let mut name = word.to_owned();
    let mut number = 1;
    while taken.contains(&name) {
        number += 1;
        name = format!("{word}{number}");
    }
    name
}

/// The names in some tokens.
#[derive(Default)]
struct Written {
    idents: HashSet<String>,
    lifetimes: HashSet<String>,
}

impl Written {
    fn of(tokens: &TokenStream) -> Self {
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

#[cfg(test)]
mod tests {
    use super::*;
    use quote::quote;

    #[test]
    fn a_name_is_a_word_that_the_user_has_not_written() {
        let name = |written: &TokenStream| {
            (
                free_ident("Route", written).to_string(),
                free_lifetime("call", written).to_string(),
            )
        };
        let chosen = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        let written = quote!(
            fn call() {}
        );
        assert_eq!(name(&written), chosen("Route", "'call"));
        let written = quote!(
            impl<'call> Room<'call> {
                fn f(route: (Route, u8)) {}
            }
        );
        assert_eq!(name(&written), chosen("Route2", "'call2"));
        let written = quote!(Route Route2 'call 'call2);
        assert_eq!(name(&written), chosen("Route3", "'call3"));
    }
}
