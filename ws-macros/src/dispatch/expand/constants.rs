//! The constants for options of a table, and the comparison of two options if one is a constant.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote};
use syn::Attribute;
use syn::ext::IdentExt;

use crate::condition::attributes_named;
use crate::dispatch::options::{Choice, OptionValue, Options};
use crate::dispatch::table::Table;
use crate::source::with_spans;

/// Generates the constants of a table and their checks. Values that routes take from `defaults`
/// appear once.
pub(crate) fn constants(table: &Table, core: &TokenStream) -> TokenStream {
    let of_routes = table
        .routes
        .iter()
        .map(|route| constants_of(&route.options, Some(&route.name), &route.attrs, core));
    let of_defaults = constants_of(&table.defaults, None, &[], core);
    quote!(#of_defaults #(#of_routes)*)
}

/// Returns the name of an option's constant. An option that is not written at the route is from
/// `defaults`.
pub(crate) fn name(option: &str, choice: &Choice, route: Option<&Ident>) -> Ident {
    let span = Span::call_site();
    match route {
        Some(route) if choice.written.is_some() => {
            format_ident!("__OPTION_{}_{option}", route.unraw(), span = span)
        }
        _ => format_ident!("__DEFAULT_{option}", span = span),
    }
}

fn constants_of(
    options: &Options,
    route: Option<&Ident>,
    attrs: &[Attribute],
    core: &TokenStream,
) -> TokenStream {
    let cfg = attributes_named(attrs, &["cfg"]);
    let cfg = quote!(#(#cfg)*);
    let values = options.choices.iter().filter_map(|(option, choice)| {
        let (OptionValue::Constant(constant), Some(_)) = (&choice.value, &choice.written) else {
            return None;
        };
        let name = name(option, choice, route);
        Some(constant.expand(option, &name, choice.colon, &cfg, core))
    });
    let ping = ping_below_idle(options, route).map(|check| quote!(#cfg const _: () = #check;));
    quote!(#(#values)* #ping)
}

/// Checks that `ping` is below `idle` if one of them is a constant; two literals have been compared
/// already.
fn ping_below_idle(options: &Options, route: Option<&Ident>) -> Option<TokenStream> {
    let (ping, idle) = (options.choices.get("ping")?, options.choices.get("idle")?);
    let is_constant = |choice: &Choice| matches!(choice.value, OptionValue::Constant(_));
    if !is_constant(ping) && !is_constant(idle) {
        return None;
    }
    let reported_at = [ping, idle]
        .into_iter()
        .find(|choice| choice.written.is_some())?;
    let written = reported_at.written.clone().into_iter().flatten();
    let place = written
        .last()
        .map_or_else(Span::call_site, |token| token.span());
    let names = reported_at.colon.unwrap_or(place);
    let ping = nanos("ping", ping, route)?;
    let idle = nanos("idle", idle, route)?;
    let panic = quote! {
        ::core::panic!(
            "`ping` must be below `idle`, or the connection is closed before its first ping"
        )
    };
    let panic = with_spans(panic, place, names);
    Some(quote!(if #ping >= #idle { #panic }))
}

/// Returns the nanoseconds of a time that is not `off`.
fn nanos(option: &str, choice: &Choice, route: Option<&Ident>) -> Option<TokenStream> {
    match &choice.value {
        OptionValue::Constant(_) => {
            let name = name(option, choice, route);
            Some(quote!(#name.as_nanos()))
        }
        OptionValue::TimeOrOff(Some(time)) => {
            let nanos = time.as_nanos();
            Some(quote!(#nanos))
        }
        _ => None,
    }
}
