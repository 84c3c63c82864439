//! The output after a mistake: all topics of lines without one, and types of the others with every
//! trait that they may have, so that no use of a topic is reported as well.

use proc_macro2::TokenStream;
use quote::quote;

use super::declaration::{FaultyTopic, Topics};
use super::expand::{as_topic, derives, implement, key, markers};
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
    let (value, options) = (&topic.value, &topic.options);
    let items = quote! {
        type Value = #value;
        const DECLARATION: &'static #core::topic::Declaration =
            &#core::topic::Declaration::new("", &[]);
        fn write_name(&self, _: &mut #core::topic::NameWriter) {}
    };
    let declared = implement(topic, "DeclaredTopic", core, &items);
    let as_topic = as_topic(topic, core);
    let has_history = options.history.is_some() || options.are_flawed;
    let unknown = options.are_flawed.then_some(unknown);
    let markers = markers(
        topic,
        has_history,
        options.member.as_ref().or(unknown),
        core,
    );
    quote!(#declared #as_topic #markers)
}
