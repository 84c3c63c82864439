//! Generates a checked block. Nothing here can fail.

use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::punctuated::Punctuated;
use syn::{Attribute, Index, Meta, Path, Token, Type};

use super::declaration::{Topic, Topics};
use super::options::Amount;
use crate::block::item::BlockItem;
use crate::block::names::{core, generated_name, import, with_span};
use crate::block::pattern::Segment;
use crate::block::quantity::Measure;
use crate::condition::{CFG_AND_LINTS, attributes_named, is_named};
use crate::source::with_spans;

/// Generates the type of each topic and its traits, and those of the block if it has a name.
///
/// Items that no other code names are in an anonymous constant, so that a block may be wherever an
/// item may be and two blocks never conflict.
pub(crate) fn topics(topics: &Topics) -> TokenStream {
    let (import, core) = (import(topics.library.as_ref()), core());
    let types = topics.valid.iter().map(|topic| key(topic, &derives(topic)));
    let traits = topics.valid.iter().map(|topic| traits(topic, &core));
    let item = topics.item.as_ref().map(BlockItem::expand);
    let block = topics.item.as_ref().map(|item| block(item, topics, &core));
    if topics.valid.is_empty() && block.is_none() {
        return TokenStream::new();
    }
    quote! {
        #item
        #(#types)*
        const _: () = {
            #import
            #(#traits)*
            #block
        };
    }
}

/// The declarations of a named block.
fn block(item: &BlockItem, topics: &Topics, core: &TokenStream) -> TokenStream {
    let name = with_span(&item.name, Span::call_site());
    let declarations = topics.valid.iter().map(|topic| {
        let cfg = attributes_named(&topic.attrs, &["cfg"]);
        let name = with_span(&topic.name, Span::call_site());
        quote!(#(#cfg)* <#name as #core::topic::DeclaredTopic>::DECLARATION)
    });
    let allow = topics.valid.iter().find_map(allow_deprecated);
    quote! {
        #allow
        impl #core::topic::TopicBlock for #name {
            const DECLARATIONS: &'static [&'static #core::topic::Declaration] =
                &[#(#declarations),*];
        }
    }
}

/// `pub struct Room(pub u64);`
pub(crate) fn key(topic: &Topic, derives: &TokenStream) -> TokenStream {
    let Topic {
        attrs, vis, params, ..
    } = topic;
    let name = generated_name(&topic.name);
    let of_fields = with_spans(quote!(#vis), Span::call_site(), Span::call_site());
    let vis = generated_tokens(quote!(#vis));
    let keyword = quote_spanned!(place(topic)=> struct);
    let end = quote_spanned!(place(topic)=> ;);
    let fields = (!params.is_empty()).then(|| quote!((#(#of_fields #params),*)));
    let has_docs = attrs.iter().any(|attr| is_named(attr, "doc"));
    let gap = has_docs.then(|| quote!(#[doc = ""]));
    let summary = summary(topic);
    quote! {
        #(#attrs)*
        #gap
        #[doc = #summary]
        #derives
        #vis #keyword #name #fields #end
    }
}

/// Returns tokens of the user for an item that the expansion declares, at the same positions.
fn generated_tokens(tokens: TokenStream) -> TokenStream {
    let located = tokens.into_iter().map(|mut token| {
        token.set_span(Span::call_site().located_at(token.span()));
        token
    });
    located.collect()
}

/// Returns the documentation of a topic.
fn summary(topic: &Topic) -> String {
    let text = topic.text.value();
    if topic.params.is_empty() {
        format!("The topic `{text}`.")
    } else {
        format!("The topics `{text}`.")
    }
}

/// The traits of a key, without those that the user derives. A key of primitive values is `Copy`.
pub(crate) fn derives(topic: &Topic) -> TokenStream {
    const PRIMITIVES: [&str; 14] = [
        "u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32", "i64", "i128", "isize",
        "bool", "char",
    ];
    let is_copy = topic.pattern.params().all(|segment| match segment {
        Segment::Typed { written, .. } => PRIMITIVES.contains(&&**written),
        _ => false,
    });
    let copy = is_copy.then(|| ("Copy", quote!(::core::marker::Copy)));
    let all = [
        ("Clone", quote!(::core::clone::Clone)),
        ("PartialEq", quote!(::core::cmp::PartialEq)),
        ("Eq", quote!(::core::cmp::Eq)),
        ("Hash", quote!(::core::hash::Hash)),
        ("Debug", quote!(::core::fmt::Debug)),
    ];
    let own = derived_by_user(&topic.attrs);
    let left = all.into_iter().chain(copy);
    let left = left.filter(|(name, _)| !own.iter().any(|own| own == name));
    let paths: Vec<_> = left.map(|(_, path)| path).collect();
    if paths.is_empty() {
        return TokenStream::new();
    }
    quote!(#[derive(#(#paths),*)])
}

/// The names of the traits in the user's `#[derive(…)]`.
fn derived_by_user(attrs: &[Attribute]) -> Vec<Ident> {
    let mut found = Vec::new();
    for attr in attrs {
        let Meta::List(list) = &attr.meta else {
            continue;
        };
        if !list.path.is_ident("derive") {
            continue;
        }
        let paths = list.parse_args_with(Punctuated::<Path, Token![,]>::parse_terminated);
        let paths = paths.into_iter().flatten();
        found.extend(paths.filter_map(|path| Some(path.segments.last()?.ident.clone())));
    }
    found
}

/// The implementations of a topic.
fn traits(topic: &Topic, core: &TokenStream) -> TokenStream {
    let (value, text) = (&topic.value, topic.text.value());
    let parts = topic.pattern.segments.iter().map(|segment| {
        if let Segment::Literal(text) = segment {
            quote!(#core::topic::Part::Text(#text))
        } else {
            quote!(#core::topic::Part::Parameter)
        }
    });
    let (constants, history) = history(topic, core);
    let live = topic.options.is_live.then(|| quote!(.live()));
    let writes = writes(topic);
    let items = quote! {
        type Value = #value;
        const DECLARATION: &'static #core::topic::Declaration =
            &#core::topic::Declaration::new(#text, &[#(#parts),*])#history #live;
        fn write_name(&self, __name: &mut #core::topic::NameWriter) {
            #writes
        }
    };
    let declared = implement(topic, "DeclaredTopic", core, &items);
    let as_topic = as_topic(topic, core);
    let options = &topic.options;
    let markers = markers(
        topic,
        options.history.is_some(),
        options.member.as_ref(),
        core,
    );
    quote!(#constants #declared #as_topic #markers)
}

/// Allows an implementation to use a deprecated topic.
fn allow_deprecated(topic: &Topic) -> Option<TokenStream> {
    let is_deprecated = topic.attrs.iter().any(|attr| is_named(attr, "deprecated"));
    is_deprecated.then(|| quote!(#[allow(deprecated)]))
}

/// The attributes of an implementation: conditions and lints.
fn attributes(topic: &Topic) -> TokenStream {
    let own = attributes_named(&topic.attrs, &CFG_AND_LINTS);
    let allow = allow_deprecated(topic);
    quote!(#(#own)* #allow)
}

/// The position of the pattern. Keywords of the items of a topic are here, so that the compiler shows
/// its line, and not the whole block.
fn place(topic: &Topic) -> Span {
    Span::call_site().located_at(topic.text.span())
}

/// Generates `impl Trait for Room { … }`, for a trait of the module `topic`.
pub(crate) fn implement(
    topic: &Topic,
    name_of_trait: &str,
    core: &TokenStream,
    items: &TokenStream,
) -> TokenStream {
    let keyword = quote_spanned!(place(topic)=> impl);
    let name_of_trait = Ident::new(name_of_trait, Span::call_site());
    let (attrs, name) = (attributes(topic), generated_name(&topic.name));
    quote!(#attrs #keyword #core::topic::#name_of_trait for #name { #items })
}

/// `impl AsTopic for Room`
pub(crate) fn as_topic(topic: &Topic, core: &TokenStream) -> TokenStream {
    let receipt = if topic.options.is_live {
        quote!(Receipt)
    } else {
        quote!(LoggedReceipt)
    };
    let items = quote! {
        type Value = <Self as #core::topic::DeclaredTopic>::Value;
        type Receipt = #core::topic::#receipt;
        fn as_topic_ref(&self) -> #core::topic::TopicRef<Self::Value> {
            #core::topic::TopicRef::of(self)
        }
    };
    implement(topic, "AsTopic", core, &items)
}

/// The traits that allow the methods of logged topics, and of topics with history or presence.
pub(crate) fn markers(
    topic: &Topic,
    has_history: bool,
    member: Option<&Type>,
    core: &TokenStream,
) -> TokenStream {
    if topic.options.is_live {
        return TokenStream::new();
    }
    let empty = TokenStream::new();
    let logged = implement(topic, "Logged", core, &empty);
    let history = has_history.then(|| implement(topic, "HasHistory", core, &empty));
    let presence =
        member.map(|member| implement(topic, "HasPresence", core, &quote!(type Member = #member;)));
    quote!(#logged #history #presence)
}

/// Statements that append the literals and the parameters of a name. The compiler reports a
/// parameter that cannot be printed here, on the pattern.
fn writes(topic: &Topic) -> TokenStream {
    let place = place(topic);
    let mut writes = TokenStream::new();
    let mut literal = String::new();
    let mut index = 0;
    let text = |literal: &mut String| {
        let text = std::mem::take(literal);
        (!text.is_empty()).then(|| quote!(__name.text(#text);))
    };
    for (at, segment) in topic.pattern.segments.iter().enumerate() {
        if at > 0 {
            literal.push('/');
        }
        if let Segment::Literal(text) = segment {
            literal.push_str(text);
            continue;
        }
        writes.extend(text(&mut literal));
        let field = Index { index, span: place };
        // Not by its type: the compiler would name the function in the message.
        writes.extend(
            quote_spanned!(place=> __name.param::<dyn ::core::fmt::Display>(&self.#field);),
        );
        index += 1;
    }
    writes.extend(text(&mut literal));
    writes
}

/// Returns the constants of the options, and `.history(…)` of the declaration.
fn history(topic: &Topic, core: &TokenStream) -> (TokenStream, TokenStream) {
    let Some((messages, keep)) = &topic.options.history else {
        return Default::default();
    };
    let cfg = attributes_named(&topic.attrs, &["cfg"]);
    let cfg = quote!(#(#cfg)*);
    let constant = |option: &str, amount: &Amount| match amount {
        Amount::Constant(constant, colon) => {
            let name = constant_name(topic, option);
            constant.expand(option, &name, *colon, &cfg, core)
        }
        Amount::Literal(_) => TokenStream::new(),
    };
    let constants = [constant("history", messages), constant("keep", keep)];
    let messages = count(messages, &constant_name(topic, "history"));
    let keep = time(keep, &constant_name(topic, "keep"));
    (
        constants.into_iter().collect(),
        quote!(.history(#messages, #keep)),
    )
}

/// The constant of an option whose value only the compiler can evaluate.
fn constant_name(topic: &Topic, option: &str) -> Ident {
    format_ident!(
        "__OPTION_{}_{option}",
        topic.name.unraw(),
        span = Span::call_site()
    )
}

/// Returns a number of messages, which is checked to be above zero.
fn count(amount: &Amount, constant: &Ident) -> TokenStream {
    let number = if let Amount::Literal(Measure::Number(number)) = amount {
        Literal::u64_unsuffixed(*number).to_token_stream()
    } else {
        quote!(#constant as ::core::primitive::u32)
    };
    quote! {
        match ::core::num::NonZeroU32::new(#number) {
            ::core::option::Option::Some(__count) => __count,
            ::core::option::Option::None => ::core::num::NonZeroU32::MIN,
        }
    }
}

fn time(amount: &Amount, constant: &Ident) -> TokenStream {
    match amount {
        Amount::Literal(Measure::Time(time)) => {
            let (seconds, nanos) = (time.as_secs(), time.subsec_nanos());
            quote!(::core::time::Duration::new(#seconds, #nanos))
        }
        _ => constant.to_token_stream(),
    }
}
