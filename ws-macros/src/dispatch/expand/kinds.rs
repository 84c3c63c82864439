//! The arguments that routes provide to their handlers. Routes that provide the same arguments are
//! of one kind, and share the marker for which their handlers are checked and compiled.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::Type;
use syn::ext::IdentExt;

use super::names::{marker, marker_type, module};
use crate::block::item::BlockItem;
use crate::block::pattern::Segment;
use crate::condition::attributes_named;
use crate::dispatch::param_types::{ParamTypes, predicates};
use crate::dispatch::table::{Route, Table};
use crate::path_params::name_type;
use crate::source::unused_name;

/// The kinds of the routes of a table.
pub(crate) struct RouteKinds<'t> {
    item: &'t BlockItem,
    all: Vec<RouteKind<'t>>,
    /// The kind of each route.
    of_routes: Vec<usize>,
}

/// Routes with the same parameters and the same requirements for visitors.
struct RouteKind<'t> {
    first: &'t Route,
    /// Whether other routes are of this kind.
    is_shared: bool,
    key: KindKey,
}

/// The properties that distinguish kinds.
#[derive(PartialEq, Eq)]
struct KindKey {
    session: bool,
    page: bool,
    /// Whether handlers live as long as pages.
    attached: bool,
    /// Names and types of the parameters, as written.
    params: Vec<(String, String)>,
    /// The conditions of the routes: a type may exist only under them.
    conditions: Vec<String>,
}

impl KindKey {
    fn of(route: &Route) -> Self {
        let session = route.options.flag("require_session").unwrap_or(true);
        let attached = route.options.attaches_page();
        let required = route.options.flag("require_page").unwrap_or(session);
        // A page that a handler attaches to may have no session.
        let page = attached || (required && session);
        let params = route.pattern.params().map(|segment| {
            let name = segment.param().map(ToString::to_string);
            let ty = match segment {
                Segment::Typed { written, .. } => written.clone(),
                _ => String::new(),
            };
            (name.unwrap_or_default(), ty)
        });
        Self {
            session,
            page,
            attached,
            params: params.collect(),
            conditions: predicates(&route.attrs)
                .iter()
                .map(ToString::to_string)
                .collect(),
        }
    }
}

impl<'t> RouteKinds<'t> {
    /// Determines the kinds of the routes of a table.
    pub(crate) fn of(table: &'t Table) -> Self {
        let mut kinds: Vec<RouteKind<'t>> = Vec::new();
        let of_routes = table.routes.iter().map(|route| {
            let key = KindKey::of(route);
            let known = kinds.iter().position(|kind| kind.key == key);
            if let Some(at) = known {
                kinds[at].is_shared = true;
                return at;
            }
            kinds.push(RouteKind {
                first: route,
                is_shared: false,
                key,
            });
            kinds.len() - 1
        });
        let of_routes = of_routes.collect();
        Self {
            item: &table.item,
            all: kinds,
            of_routes,
        }
    }

    /// Returns the marker of the route with this number.
    pub(crate) fn marker(&self, number: usize) -> TokenStream {
        self.all[self.of_routes[number]].marker(self.item)
    }

    /// Generates the markers and their traits.
    pub(crate) fn expand(
        &self,
        state: Option<&Type>,
        types: &ParamTypes<'_>,
        core: &TokenStream,
    ) -> TokenStream {
        let markers = self.all.iter().filter_map(|kind| kind.declare(self.item));
        let known = self
            .all
            .iter()
            .map(|kind| kind.expand(self.item, state, types, core));
        let module = module("routes_of", self.item);
        quote! {
            mod #module { #(#markers)* }
            #(#known)*
        }
    }
}

impl RouteKind<'_> {
    /// Returns the marker of its only route. Routes that share a kind have another one, whose name
    /// describes their properties, because the compiler shows it in messages.
    fn marker(&self, item: &BlockItem) -> TokenStream {
        if self.is_shared {
            let (module, name) = (
                module("routes_of", item),
                self.shared_name(Span::call_site()),
            );
            quote!(#module::#name)
        } else {
            marker(item, &self.first.name)
        }
    }

    fn shared_name(&self, span: Span) -> Ident {
        format_ident!("routes_like_{}", self.first.name.unraw(), span = span)
    }

    /// Declares the marker with the span of the table: an argument that one of its routes lacks is
    /// not an error of the first route.
    fn declare(&self, item: &BlockItem) -> Option<TokenStream> {
        let cfg = attributes_named(&self.first.attrs, &["cfg"]);
        let name = self.shared_name(Span::call_site().located_at(item.keyword.span));
        self.is_shared.then(|| marker_type(&cfg, &name))
    }

    fn expand(
        &self,
        item: &BlockItem,
        state: Option<&Type>,
        types: &ParamTypes<'_>,
        core: &TokenStream,
    ) -> TokenStream {
        let cfg = attributes_named(&self.first.attrs, &["cfg"]);
        let cfg = quote!(#(#cfg)*);
        let marker = self.marker(item);
        let KindKey {
            session,
            page,
            attached,
            ..
        } = self.key;
        let session = session.then(|| quote!(#cfg impl #core::extract::HasSession for #marker {}));
        let page = page.then(|| quote!(#cfg impl #core::extract::HasPage for #marker {}));
        let attached =
            attached.then(|| quote!(#cfg impl #core::extract::AttachesPage for #marker {}));
        let state = state.map(|state| {
            let part = unused_name("PartOfState", state);
            quote! {
                #cfg
                impl<#part: #core::extract::FromRef<#state>> #core::extract::Provides<#part> for #marker {
                    fn provide(__state: &#core::extract::AnyState) -> #part {
                        <#part as #core::extract::FromRef<#state>>::from_ref(__state.get::<#state>())
                    }
                }
            }
        });
        let params = self.params(&marker, types, core);
        let names = quote!(#cfg impl<Value> #core::extract::NamesParams<Value> for #marker {});
        quote!(#session #page #attached #state #names #params)
    }

    /// Implements the parameters by position, `Path<u64>` and `Path<(u64, String)>`, and by name.
    fn params(
        &self,
        marker: &TokenStream,
        types: &ParamTypes<'_>,
        core: &TokenStream,
    ) -> TokenStream {
        let cfg = attributes_named(&self.first.attrs, &["cfg"]);
        let cfg = quote!(#(#cfg)*);
        let pattern = &self.first.pattern;
        let own_types: Vec<_> = pattern.params().map(param_type).collect();
        let reads: Vec<_> = pattern
            .params()
            .enumerate()
            .map(|(place, segment)| {
                if let Segment::Typed { written, .. } = segment {
                    let ty = types.name(written);
                    quote!(#ty.read(__params, #place))
                } else {
                    quote!(__params.parse::<::std::string::String>(#place))
                }
            })
            .collect();
        let by_place = match &own_types[..] {
            [] => None,
            [ty] => Some((quote!(#ty), quote!(#(#reads)*))),
            _ => {
                let all = quote!(::core::result::Result::Ok((#(#reads?),*)));
                Some((quote!((#(#own_types),*)), all))
            }
        };
        // Located at the path, but marked as an expansion, so that the compiler suggests no edits
        // there.
        let span = Span::call_site().located_at(self.first.path.span());
        let by_place = by_place.map(|(ty, value)| {
            let body = quote! {
                fn from_params(
                    __params: &#core::extract::Params,
                ) -> ::core::result::Result<Self, #core::error::Refusal> {
                    #value
                }
            };
            quote_spanned!(span=> #cfg impl #core::extract::FromParams<#marker> for #ty { #body })
        });
        let by_name = pattern.params().zip(&own_types).map(|(segment, ty)| {
            let name = segment.param().map(|name| name_type(name, core));
            quote_spanned!(span=> #cfg impl #core::extract::HasParam<#name, #ty> for #marker {})
        });
        quote!(#by_place #(#by_name)*)
    }
}

/// Returns the type of a parameter, as the handler gets it.
fn param_type(segment: &Segment) -> TokenStream {
    if let Segment::Typed { ty, .. } = segment {
        ty.to_token_stream()
    } else {
        quote!(::std::string::String)
    }
}
