//! Names in an expansion. The compiler shows them in its messages, so they must be readable. The
//! user may use the same names, so a free one is chosen.

use std::collections::HashSet;

use proc_macro2::{Ident, Span, TokenStream};
use quote::format_ident;
use syn::Lifetime;

use crate::source::UsedNames;

/// Returns a name for a type, based on this one, that the user's code does not contain.
pub(crate) fn free_ident(base: &str, written: &TokenStream) -> Ident {
    let name = free(base, &UsedNames::of(written).idents);
    Ident::new(&name, Span::call_site())
}

/// Returns the same for a lifetime.
pub(crate) fn free_lifetime(base: &str, written: &TokenStream) -> Lifetime {
    let name = free(base, &UsedNames::of(written).lifetimes);
    Lifetime::new(&format!("'{name}"), Span::call_site())
}

/// Returns a local variable. Hygiene keeps it apart from the user's variables, but not from
/// constants and unit structs, for which a binding of the same name would be a pattern.
pub(crate) fn local(text: &str) -> Ident {
    format_ident!("hook_{text}", span = Span::mixed_site())
}

fn free(base: &str, taken: &HashSet<String>) -> String {
    let mut name = base.to_owned();
    let mut number = 1;
    while taken.contains(&name) {
        number += 1;
        name = format!("{base}{number}");
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::quote;

    #[test]
    fn a_chosen_name_is_not_in_the_users_code() {
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
