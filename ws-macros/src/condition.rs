//! The conditions of hooks and routes: `#[cfg(…)]`, also within `#[cfg_attr(…)]`. The compiler has
//! not expanded `#[cfg_attr(…)]` yet when it passes tokens to a macro.

use proc_macro2::{TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::parse::{ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{Attribute, Meta, Token, parse_quote};

/// A condition under which something exists.
pub(crate) struct Condition {
    /// The predicate of `#[cfg(…)]`.
    pub predicate: TokenStream,
    /// The attribute that contains it.
    pub attribute: Attribute,
}

/// The conditions among these attributes.
pub(crate) fn conditions(attributes: &[Attribute]) -> Vec<Condition> {
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

/// Returns the same attributes with each condition as a `#[cfg(…)]`, and each other part of a
/// `#[cfg_attr(…)]` in a separate one.
pub(crate) fn flattened(attributes: Vec<Attribute>) -> Vec<Attribute> {
    let flat = |attribute: Attribute| {
        let metas = match conditional(&attribute.meta) {
            Some((condition, parts)) => separated(&condition, &parts),
            None => vec![attribute.meta.clone()],
        };
        metas.into_iter().map(move |meta| Attribute {
            meta,
            ..attribute.clone()
        })
    };
    attributes.into_iter().flat_map(flat).collect()
}

/// Returns the parts of a `cfg_attr`, each as a separate attribute.
fn separated(condition: &TokenStream, parts: &[Meta]) -> Vec<Meta> {
    let mut found = Vec::new();
    for part in parts {
        if let Some((inner, parts)) = conditional(part) {
            found.extend(separated(&quote!(all(#condition, #inner)), &parts));
        } else if let [predicate] = &predicates(part)[..] {
            found.push(parse_quote!(cfg(any(not(#condition), #predicate))));
        } else {
            found.push(parse_quote!(cfg_attr(#condition, #part)));
        }
    }
    found
}

/// Whether an attribute has this name, with or without a condition.
pub(crate) fn is_named(attribute: &Attribute, name: &str) -> bool {
    match conditional(&attribute.meta) {
        Some((_, parts)) => parts.iter().any(|part| part.path().is_ident(name)),
        None => attribute.path().is_ident(name),
    }
}

/// `cfg(unix)` gives `unix`, and `cfg_attr(test, cfg(unix))` gives `any(not(test), unix)`.
fn predicates(meta: &Meta) -> Vec<TokenStream> {
    if let Some((condition, parts)) = conditional(meta) {
        let inner = parts.iter().flat_map(predicates);
        return inner
            .map(|predicate| quote!(any(not(#condition), #predicate)))
            .collect();
    }
    match meta {
        Meta::List(list) if list.path.is_ident("cfg") => vec![list.tokens.clone()],
        _ => Vec::new(),
    }
}

/// Returns the condition of a `cfg_attr`, and its attributes. The compiler reports those that
/// cannot be parsed. The condition is not parsed: `true` and `false` are valid too.
fn conditional(meta: &Meta) -> Option<(TokenStream, Vec<Meta>)> {
    let Meta::List(list) = meta else {
        return None;
    };
    let parts = |input: ParseStream<'_>| {
        let mut condition = TokenStream::new();
        while !input.peek(Token![,]) {
            condition.extend([input.parse::<TokenTree>()?]);
        }
        input.parse::<Token![,]>()?;
        let parts = Punctuated::<Meta, Token![,]>::parse_terminated(input)?;
        Ok((condition, parts.into_iter().collect()))
    };
    let is_conditional = list.path.is_ident("cfg_attr");
    is_conditional.then(|| parts.parse2(list.tokens.clone()).ok())?
}

/// Returns the attributes of a line that have one of these names.
pub(crate) fn attributes_named<'a>(attrs: &'a [Attribute], names: &[&str]) -> Vec<&'a Attribute> {
    let wanted = |attr: &&Attribute| names.iter().any(|name| is_named(attr, name));
    attrs.iter().filter(wanted).collect()
}

/// The attributes that apply to every item generated from a line.
pub(crate) const CFG_AND_LINTS: [&str; 4] = ["cfg", "allow", "warn", "deny"];

/// The `#[cfg]` attributes, as text.
pub(crate) fn condition_texts(attrs: &[Attribute]) -> Vec<String> {
    let cfg = attrs.iter().filter(|attr| attr.path().is_ident("cfg"));
    cfg.map(|attr| attr.to_token_stream().to_string()).collect()
}

/// Whether two routes have different conditions, and so count as alternatives: the macro cannot
/// know whether both conditions can hold. If both do, the router refuses them.
pub(crate) fn are_alternatives(one: &[String], other: &[String]) -> bool {
    !one.is_empty() && !other.is_empty() && one != other
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
        assert_eq!(
            read("#[cfg_attr(true, cfg(a), cfg_attr(false, cfg(b)))]"),
            ["any(not(true),a)", "any(not(true),any(not(false),b))"]
        );
    }

    #[test]
    fn other_attributes_are_not_conditions() {
        for attribute in [
            "",
            "#[inline]",
            "#[cfg_attr(test, inline)]",
            "#[allow(unused)]",
        ] {
            assert_eq!(read(attribute), Vec::<String>::new(), "{attribute}");
        }
    }

    #[test]
    fn each_part_of_a_cfg_attr_is_an_attribute_of_its_own() {
        let written =
            "#[doc = \"x\"] #[cfg_attr(a, cfg(b), deprecated, cfg_attr(c, cfg(d), allow(e)))]";
        let function: syn::ItemFn = syn::parse_str(&format!("{written} fn f() {{}}")).unwrap();
        let flat = flattened(function.attrs);
        let texts = flat
            .iter()
            .map(|attribute| quote!(#attribute).to_string().replace(' ', ""));
        assert_eq!(
            texts.collect::<Vec<_>>(),
            [
                "#[doc=\"x\"]",
                "#[cfg(any(not(a),b))]",
                "#[cfg_attr(a,deprecated)]",
                "#[cfg(any(not(all(a,c)),d))]",
                "#[cfg_attr(all(a,c),allow(e))]",
            ]
        );
        let named = |name| {
            flat.iter()
                .filter(|attribute| is_named(attribute, name))
                .count()
        };
        assert_eq!(
            ["doc", "cfg", "deprecated", "allow", "cfg_attr"].map(named),
            [1, 2, 1, 1, 0]
        );
    }
}
