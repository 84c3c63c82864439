//! Generates the options of a route as constant data.

use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::{ToTokens, quote};

use super::constants;
use crate::block::quantity::Quantity;
use crate::dispatch::options::{Choice, OptionValue, Options, Origins};

/// Generates the `RouteOptions` of a route, without options that the table does not set.
pub(crate) fn options(options: &Options, route: &Ident, core: &TokenStream) -> TokenStream {
    const OF_ROUTE: [&str; 8] = [
        "require_session",
        "require_page",
        "origins",
        "cross_site",
        "protocols",
        "deflate",
        "start",
        "attach",
    ];
    if options.choices.is_empty() {
        return quote!(#core::route::RouteOptions::NONE);
    }
    let (own, limits): (Vec<_>, Vec<_>) = options
        .choices
        .iter()
        .partition(|(name, _)| OF_ROUTE.contains(name));
    let value = |(option, choice): &(&&'static str, &Choice)| match &choice.value {
        OptionValue::Constant(constant) => of_constant(constant.quantity, option, choice, route),
        other => value_tokens(other, core),
    };
    let field = |chosen: &(&&'static str, &Choice)| {
        let (option, choice) = chosen;
        let value = value(chosen);
        // For these, only their presence is recorded: the rest is in the route's entry.
        match &choice.value {
            OptionValue::Start(_) => return quote!(__options.start = #value;),
            OptionValue::AttachPage => return quote!(__options.attach_page = #value;),
            OptionValue::Reason => return TokenStream::new(),
            _ => {}
        }
        let name = Ident::new(option, Span::call_site());
        quote!(__options.#name = ::core::option::Option::Some(#value);)
    };
    let setter = |chosen: &(&&'static str, &Choice)| {
        let name = Ident::new(chosen.0, Span::call_site());
        let value = value(chosen);
        quote!(.#name(#value))
    };
    let own = own.iter().map(field);
    let limits: Vec<_> = limits.iter().map(setter).collect();
    let limits = (!limits.is_empty())
        .then(|| quote!(__options.limits = #core::limits::LimitOptions::NONE #(#limits)*;));
    // Not a struct expression: if it named every field, lints would report the rest as superfluous.
    quote!({
        let mut __options = #core::route::RouteOptions::NONE;
        #(#own)*
        #limits
        __options
    })
}

/// Sets an option to its constant in the expansion.
fn of_constant(quantity: Quantity, option: &str, choice: &Choice, route: &Ident) -> TokenStream {
    let name = constants::name(option, choice, Some(route));
    if quantity.can_be_off() {
        quote!(::core::option::Option::Some(#name))
    } else {
        name.into_token_stream()
    }
}

fn value_tokens(value: &OptionValue, core: &TokenStream) -> TokenStream {
    let duration = |time: &std::time::Duration| {
        let (seconds, nanos) = (time.as_secs(), time.subsec_nanos());
        quote!(::core::time::Duration::new(#seconds, #nanos))
    };
    match value {
        OptionValue::Flag(flag) => flag.to_token_stream(),
        OptionValue::Number(number) => Literal::u64_unsuffixed(*number).to_token_stream(),
        OptionValue::Time(time) => duration(time),
        OptionValue::TimeOrOff(None) | OptionValue::Rate(None) => {
            quote!(::core::option::Option::None)
        }
        OptionValue::TimeOrOff(Some(time)) => {
            let time = duration(time);
            quote!(::core::option::Option::Some(#time))
        }
        OptionValue::Rate(Some((messages, per))) => {
            let per = duration(per);
            quote!(::core::option::Option::Some(#core::limits::Rate::new(#messages, #per)))
        }
        OptionValue::OnFull { refuse: true } => quote!(#core::limits::OnFull::Refuse),
        OptionValue::OnFull { refuse: false } => quote!(#core::limits::OnFull::Close),
        OptionValue::Origins(Origins::Same) => quote!(#core::route::Origins::Same),
        OptionValue::Origins(Origins::Any) => quote!(#core::route::Origins::Any),
        OptionValue::Origins(Origins::List(list)) => {
            quote!(#core::route::Origins::List(&[#(#list),*]))
        }
        OptionValue::Protocols(list) => quote!(&[#(#list),*]),
        OptionValue::Start(_)
        | OptionValue::AttachPage
        | OptionValue::Reason
        | OptionValue::Constant(_) => {
            quote!(true)
        }
    }
}
