//! The output after a mistake: all topics of lines without one, and types of the others with every
//! trait that they may have, so that no use of a topic is reported as well.

use proc_macro2::TokenStream;
use quote::quote;

use super::declaration::{FaultyTopic, Topics};
use super::expand::{as_topic, attributes, derives, key, unspanned};
use crate::block::names::{core, import};

/// Generates the types of the faulty lines.
pub(crate) fn faulty_topics(topics: &Topics) -> TokenStream {
    if topics.faulty.is_empty() {
        return TokenStream::new();
    }
    let (import, core) = (import(topics.library.as_ref()), core());
    let types = topics
        .faulty
        .iter()
        .map(|faulty| key(&faulty.topic, &derives(&faulty.topic)));
    let traits = topics.faulty.iter().map(|faulty| traits(faulty, &core));
    quote! {
        #(#types)*
        const _: () = {
            #import
            #(#traits)*
        };
    }
}

fn traits(FaultyTopic { topic, unknown }: &FaultyTopic, core: &TokenStream) -> TokenStream {
    let (attrs, name, value) = (attributes(topic), unspanned(topic), &topic.value);
    let options = &topic.options;
    let may_have = |is_known: bool| is_known || options.are_flawed;
    let logged = (!options.is_live).then(|| quote!(#attrs impl #core::topic::Logged for #name {}));
    let is_logged = !options.is_live;
    let history = (is_logged && may_have(options.history.is_some()))
        .then(|| quote!(#attrs impl #core::topic::HasHistory for #name {}));
    let presence = (is_logged && may_have(options.member.is_some())).then(|| {
        let member = options.member.as_ref().unwrap_or(unknown);
        quote!(#attrs impl #core::topic::HasPresence for #name { type Member = #member; })
    });
    let key = as_topic(topic, core);
    quote! {
        #attrs
        impl #core::topic::DeclaredTopic for #name {
            type Value = #value;
            const DECLARATION: &'static #core::topic::Declaration =
                &#core::topic::Declaration::new("", &[]);
            fn write_name(&self, _: &mut #core::topic::NameWriter) {}
        }
        #key
        #logged
        #history
        #presence
    }
}
