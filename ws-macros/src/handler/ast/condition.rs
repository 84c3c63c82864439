//! The conditions of hooks: `#[cfg(…)]`, also within `#[cfg_attr(…)]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::parse::{ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{Attribute, Meta, Token};

/// A condition under which something exists.
pub struct Condition {
    /// What `#[cfg(…)]` takes.
    pub predicate: TokenStream,
    /// The attribute that it is written in.
    pub attribute: Attribute,
}

/// The conditions among these attributes. The compiler has not expanded `#[cfg_attr(…)]` yet when
/// it hands a block to an attribute macro.
pub fn conditions(attributes: &[Attribute]) -> Vec<Condition> {
    let mut found = Vec::new();
    for attribute in attributes {
        found.extend(predicates(&attribute.meta).into_iter().map(|predicate| {
            let attribute = attribute.clone();
            Condition {
                predicate,
                attribute,
            }
        }));
    }
    found
}

/// `cfg(unix)` gives `unix`, and `cfg_attr(test, cfg(unix))` gives `any(not(test), unix)`.
fn predicates(meta: &Meta) -> Vec<TokenStream> {
    let Meta::List(list) = meta else {
        return Vec::new();
    };
    if list.path.is_ident("cfg") {
        return vec![list.tokens.clone()];
    }
    if !list.path.is_ident("cfg_attr") {
        return Vec::new();
    }
    let parts = |input: ParseStream<'_>| {
        let when: Meta = input.parse()?;
        input.parse::<Token![,]>()?;
        let attributes = Punctuated::<Meta, Token![,]>::parse_terminated(input)?;
        Ok((when, attributes))
    };
    // What cannot be read, the compiler reports.
    let Ok((when, attributes)) = parts.parse2(list.tokens.clone()) else {
        return Vec::new();
    };
    let inner = attributes.iter().flat_map(predicates);
    inner
        .map(|predicate| quote!(any(not(#when), #predicate)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(attribute: &str) -> Vec<String> {
        let function: syn::ItemFn = syn::parse_str(&format!("{attribute} fn f() {{}}")).unwrap();
        let found = conditions(&function.attrs);
        found
            .iter()
            .map(|condition| condition.predicate.to_string().replace(' ', ""))
            .collect()
    }

    #[test]
    fn a_condition_is_found_in_cfg_and_in_cfg_attr() {
        assert_eq!(read("#[cfg(unix)]"), ["unix"]);
        assert_eq!(
            read("#[cfg_attr(test, cfg(unix))]"),
            ["any(not(test),unix)"]
        );
        assert_eq!(
            read("#[cfg_attr(a, inline, cfg_attr(b, cfg(c)), cfg(d))]"),
            ["any(not(a),any(not(b),c))", "any(not(a),d)"]
        );
        assert_eq!(
            read("#[cfg_attr(feature = \"x\", cfg(all()))]"),
            ["any(not(feature=\"x\"),all())"]
        );
    }

    #[test]
    fn other_attributes_are_no_conditions() {
        for attribute in [
            "",
            "#[inline]",
            "#[cfg_attr(test, inline)]",
            "#[allow(unused)]",
        ] {
            assert_eq!(read(attribute), Vec::<String>::new(), "{attribute}");
        }
    }
}
