//! Generates a checked table. Nothing here can fail.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Attribute, ExprPath, Visibility};

mod constants;
mod kinds;
mod names;
mod nested;
mod options;

use self::kinds::RouteKinds;
use self::names::{entry_name, fault, marker, markers, state_type};
use self::nested::nested;
use self::options::options;
use super::param_types::{ParamTypes, predicates};
use super::table::{Nested, Route, Table};
use super::trie::Node;
use crate::block::item::BlockItem;
use crate::block::names::{core, generated_name, import, with_span};
use crate::block::pattern::Segment;
use crate::condition::{CFG_AND_LINTS, attributes_named, is_named};
use crate::source::with_spans;

/// Generates the table's type and all items that belong to it.
///
/// Items that no other code names are in an anonymous constant, so that a table may be wherever an
/// item may be and two tables never conflict.
pub(crate) fn table(table: &Table) -> TokenStream {
    let item = table.item.expand();
    let (library, core) = (import(table.library.as_ref()), core());
    let types = ParamTypes::of(&table.routes);
    let kinds = RouteKinds::of(table);
    let markers = markers(table);
    let nested = nested(table, &core);
    let params: TokenStream = table
        .routes
        .iter()
        .filter_map(|route| param_checks(route, table, &core))
        .collect();
    let reads = (!params.is_empty()).then(|| {
        quote! {
            use #core::extract::ReadsPathParams as _;
        }
    });
    let routes = table.routes.iter().enumerate();
    let routes = routes.map(|(number, route)| {
        let marker = marker(&table.item, &route.name);
        self::route(route, number, &kinds.marker(number), &marker, &core)
    });
    let kinds = kinds.expand(table.state.as_ref(), &types, &core);
    let constants = types.constants(&core);
    let matcher = matcher(table, &types, &core);
    let functions = functions(table, &types, &core);
    let constants_of_options = constants::constants(table, &core);
    let state = table
        .state
        .as_ref()
        .map(|state| quote!(const _: () = #core::route::is_state::<#state>();));
    let name = with_span(&table.item.name, Span::call_site());
    quote! {
        #item
        const _: () = {
            // An unused table is not worth a warning.
            const _: ::core::marker::PhantomData<#name> = ::core::marker::PhantomData;
            #library
            #reads
            #functions
            #markers
            #constants
            #kinds
            #(#routes)*
            #matcher
            #nested
            #params
            #constants_of_options
            #state
        };
    }
}

/// The properties of a route's marker, and the entry of the table.
fn route(
    route: &Route,
    number: usize,
    kind: &TokenStream,
    marker: &TokenStream,
    core: &TokenStream,
) -> TokenStream {
    let spec = spec(route, marker, core);
    let entry = entry(route, number, kind, marker, core);
    quote!(#spec #entry)
}

fn spec(route: &Route, marker: &TokenStream, core: &TokenStream) -> TokenStream {
    let cfg = attributes_named(&route.attrs, &["cfg"]);
    let name = route.name.unraw().to_string();
    let path = route.path.value();
    let params = route.pattern.segments.iter().filter_map(Segment::param);
    let params = params.map(|param| param.unraw().to_string());
    let options = options(&route.options, &route.name, core);
    let segments = route.pattern.segments.iter().map(|segment| match segment {
        Segment::Literal(text) => quote!(#core::route::Segment::Literal(#text)),
        Segment::Typed { written, .. } => quote!(#core::route::Segment::Typed(#written)),
        Segment::Text { .. } => quote!(#core::route::Segment::Text),
        Segment::Rest { .. } => quote!(#core::route::Segment::Rest),
    });
    quote! {
        #(#cfg)*
        impl #core::route::RouteData for #marker {
            const SPEC: &'static #core::route::RouteSpec = &#core::route::RouteSpec {
                name: #name,
                pattern: #path,
                params: &[#(#params),*],
                options: #options,
            };
            const SHAPE: &'static [#core::route::Segment] = &[#(#segments),*];
        }
    }
}

/// The entry of a route. The compiler reports missing arguments of the handler for this route here,
/// on the handler's type.
fn entry(
    route: &Route,
    number: usize,
    kind: &TokenStream,
    marker: &TokenStream,
    core: &TokenStream,
) -> TokenStream {
    let attrs = attributes_named(&route.attrs, &CFG_AND_LINTS);
    let (entry, handler) = (entry_name(route), &route.handler);
    let new = if route.options.attaches_page() {
        quote!(attached)
    } else {
        quote!(new)
    };
    let start = route.options.start().map(|path| start(path, kind, core));
    let protocols = route.options.choices.get("protocols").map(|protocols| {
        let written = protocols.written.as_ref();
        let place = written.map_or_else(|| route.path.span(), Spanned::span);
        let cfg = attributes_named(&route.attrs, &["cfg"]);
        let panic = quote! {
            ::core::panic!(
                "`PageStream` uses its own subprotocol\nhelp: remove `protocols`"
            )
        };
        let panic = with_spans(panic, place, place);
        // Only its handler knows that it serves pages.
        quote! {
            #(#cfg)*
            const _: () = if #entry.speaks_page_protocol() { #panic };
        }
    });
    quote! {
        #(#attrs)*
        const #entry: #core::route::Entry =
            #core::route::Entry::#new::<#handler, #kind, #marker>(#number)#start;
        #protocols
    }
}

/// Checks for parameters that the handler does not read: a warning if it reads none, an error if it
/// takes others by name. A `start` function may read them.
fn param_checks(route: &Route, table: &Table, core: &TokenStream) -> Option<TokenStream> {
    let mut named = route.pattern.params().filter_map(Segment::param);
    if route.options.start().is_some() || named.all(|name| name.to_string().starts_with('_')) {
        return None;
    }
    let (attrs, handler) = (
        attributes_named(&route.attrs, &CFG_AND_LINTS),
        &route.handler,
    );
    let unread = Ident::new("UNREAD_PARAMETERS", route.path.span());
    let entry = entry_name(route);
    let missing = fault(&quote!(#entry.missing_field()), route.path.span());
    let warning = (!table.has_mistakes)
        .then(|| quote!(let () = <#core::extract::PathParamUse<#handler>>::#unread;));
    Some(quote! {
        #(#attrs)*
        const _: () = {
            #warning
            #missing
        };
    })
}

/// Generates `.start(…)` of an entry. An invalid function is reported here, on its path.
fn start(path: &ExprPath, kind: &TokenStream, core: &TokenStream) -> TokenStream {
    // With mixed-site hygiene, so that it does not clash with the user's names.
    let handshake = Ident::new("the_handshake", Span::mixed_site());
    // The compiler reports the mismatch on the type itself.
    let any = quote_spanned!(path.span()=> _);
    quote!(.start(|#handshake| #core::route::decide::<#kind, #any, #any>(#path, #handshake)))
}

fn matcher(table: &Table, types: &ParamTypes<'_>, core: &TokenStream) -> TokenStream {
    let mut root = Node::default();
    for (number, route) in table.routes.iter().enumerate() {
        root.add(&route.pattern, number, &predicates(&route.attrs));
    }
    let statements = root.statements(types);
    let path = if table.routes.is_empty() {
        quote!(_)
    } else {
        quote!(__path)
    };
    quote! {
        fn __find(#path: #core::route::Segments<'_>) -> ::core::option::Option<::core::primitive::usize> {
            #statements
            ::core::option::Option::None
        }
    }
}

/// Generates `table()` and a function for the URL of each line.
fn functions(table: &Table, types: &ParamTypes<'_>, core: &TokenStream) -> TokenStream {
    let (item, vis) = (&table.item, &table.item.vis);
    let name = &item.name;
    let state = state_type(table, core);
    let entries = table.routes.iter().map(|route| {
        let (cfg, entry) = (attributes_named(&route.attrs, &["cfg"]), entry_name(route));
        quote!(#(#cfg)* #entry)
    });
    let nests = table.nested.iter().map(|nested| {
        let cfg = attributes_named(&nested.attrs, &CFG_AND_LINTS);
        let marker = marker(item, &nested.name);
        quote!(#(#cfg)* let __table = __table.mount::<#marker>();)
    });
    let urls = table
        .routes
        .iter()
        .map(|route| url(route, item, types, core));
    let nested_urls = table
        .nested
        .iter()
        .map(|nested| nested_url(nested, vis, core));
    quote! {
        impl #name {
            /// Returns the routing table, for a server or to nest in another table.
            #vis fn table() -> #core::route::Table<#state> {
                const __ENTRIES: &[#core::route::Entry] = &[#(#entries),*];
                let __table = #core::route::Table::<#state>::new(__find, __ENTRIES);
                #(#nests)*
                __table
            }
            #(#urls)*
            #(#nested_urls)*
        }
    }
}

/// The attributes of a URL function: the user's, and a line of documentation.
pub(crate) fn url_attributes(attrs: &[Attribute], summary: &str) -> TokenStream {
    let own = attributes_named(
        attrs,
        &["doc", "cfg", "allow", "warn", "deny", "deprecated"],
    );
    let has_docs = attrs.iter().any(|attr| is_named(attr, "doc"));
    let gap = has_docs.then(|| quote!(#[doc = ""]));
    quote!(#(#own)* #gap #[doc = #summary])
}

/// `fn room(id: u64) -> RouteUrl`
fn url(route: &Route, item: &BlockItem, types: &ParamTypes<'_>, core: &TokenStream) -> TokenStream {
    let (name, vis) = (generated_name(&route.name), &item.vis);
    let marker = marker(item, &route.name);
    let attrs = url_attributes(&route.attrs, &url_summary(&route.path.value()));
    let arguments = route.pattern.params();
    let arguments = arguments.filter_map(|segment| Some(argument(segment.param()?, segment)));
    let values = route.pattern.params().map(|segment| {
        let name = segment.param().map(generated_name);
        if let Segment::Typed { written, .. } = segment {
            let ty = types.name(written);
            quote!(&#ty.write(&#name))
        } else {
            quote!(&::core::convert::AsRef::<::core::primitive::str>::as_ref(&#name))
        }
    });
    quote! {
        #attrs
        #vis fn #name(#(#arguments),*) -> #core::route::RouteUrl {
            #core::route::RouteUrl::of::<#marker>(&[#(#values),*])
        }
    }
}

/// Returns the documentation of a route's function.
pub(crate) fn url_summary(path: &str) -> String {
    format!("Returns the URL of `{path}`.")
}

/// `id: u64`, or `name: impl AsRef<str>`
pub(crate) fn argument(name: &Ident, segment: &Segment) -> TokenStream {
    let name = generated_name(name);
    if let Segment::Typed { ty, .. } = segment {
        quote!(#name: #ty)
    } else {
        quote!(#name: impl ::core::convert::AsRef<::core::primitive::str>)
    }
}

/// `fn admin(url_in_admin: RouteUrl) -> RouteUrl`
fn nested_url(nested: &Nested, vis: &Visibility, core: &TokenStream) -> TokenStream {
    let (name, prefix) = (generated_name(&nested.name), &nested.prefix);
    let inner = inner_url(&nested.name);
    let attrs = url_attributes(&nested.attrs, &nested_summary(&nested.path.value()));
    quote! {
        #attrs
        #vis fn #name(#inner: #core::route::RouteUrl) -> #core::route::RouteUrl {
            #inner.with_prefix(&[#(#prefix),*])
        }
    }
}

/// The argument of a nested table's function. A constant of the same name in the user's module
/// would make it a pattern, so the name is one that no other item has.
pub(crate) fn inner_url(name: &Ident) -> Ident {
    format_ident!("url_in_{}", name.unraw(), span = Span::call_site())
}

/// Returns the documentation of a nested table's function.
pub(crate) fn nested_summary(path: &str) -> String {
    format!("Returns the full URL for a URL of the table that is nested at `{path}`.")
}
