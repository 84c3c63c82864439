//! What routes give to the arguments of their handlers. Routes that give the same are of one kind,
//! and share the marker that their handlers are checked and compiled for.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::Type;
use syn::ext::IdentExt;

use super::attributes;
use crate::dispatch::check::Route;
use crate::dispatch::param_types::{ParamTypes, predicates};
use crate::dispatch::pattern::Segment;
use crate::path_params::name_type;

/// The kinds of the routes of a table.
pub struct Kinds<'t> {
    kinds: Vec<Kind<'t>>,
    /// The kind of each route.
    of_routes: Vec<usize>,
}

/// Routes with the same parameters, that require the same of a visitor.
struct Kind<'t> {
    first: &'t Route,
    /// Whether other routes are of this kind.
    is_shared: bool,
    gives: Gives,
}

/// What tells kinds apart.
#[derive(PartialEq, Eq)]
struct Gives {
    session: bool,
    page: bool,
    /// Names and types of the parameters, as they are written.
    params: Vec<(String, String)>,
    /// The conditions of the routes, since a type may exist under them only.
    conditions: Vec<String>,
}

impl Gives {
    fn of(route: &Route) -> Self {
        let session = route.options.flag("require_session").unwrap_or(true);
        let page = route.options.flag("require_page").unwrap_or(session) && session;
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
            params: params.collect(),
            conditions: predicates(&route.attrs)
                .iter()
                .map(ToString::to_string)
                .collect(),
        }
    }
}

impl<'t> Kinds<'t> {
    /// The kinds of these routes.
    pub fn of(routes: &'t [Route]) -> Self {
        let mut kinds: Vec<Kind<'t>> = Vec::new();
        let of_routes = routes.iter().map(|route| {
            let gives = Gives::of(route);
            let known = kinds.iter().position(|kind| kind.gives == gives);
            if let Some(at) = known {
                kinds[at].is_shared = true;
                return at;
            }
            kinds.push(Kind {
                first: route,
                is_shared: false,
                gives,
            });
            kinds.len() - 1
        });
        let of_routes = of_routes.collect();
        Self { kinds, of_routes }
    }

    /// The marker of the route of this number.
    pub fn marker(&self, number: usize) -> TokenStream {
        self.kinds[self.of_routes[number]].marker()
    }

    /// The markers, and what is known of them.
    pub fn expand(
        &self,
        state: Option<&Type>,
        types: &ParamTypes<'_>,
        core: &TokenStream,
    ) -> TokenStream {
        let markers = self.kinds.iter().filter_map(Kind::declare);
        let known = self
            .kinds
            .iter()
            .map(|kind| kind.expand(state, types, core));
        quote! {
            mod __kinds { #(#markers)* }
            #(#known)*
        }
    }
}

impl Kind<'_> {
    /// The marker of its only route. Routes that share a kind have another one, which says what
    /// they are like: messages of the compiler name it.
    fn marker(&self) -> TokenStream {
        let name = &self.first.name;
        if self.is_shared {
            let name = self.shared_name();
            quote!(__kinds::#name)
        } else {
            quote!(__routes::#name)
        }
    }

    fn shared_name(&self) -> Ident {
        let place = Span::call_site().located_at(self.first.name.span());
        format_ident!("like_{}", self.first.name.unraw(), span = place)
    }

    fn declare(&self) -> Option<TokenStream> {
        let (cfg, name) = (attributes(&self.first.attrs, &["cfg"]), self.shared_name());
        let place = name.span();
        let marker = quote_spanned!(place=> #(#cfg)* pub(super) enum #name {});
        self.is_shared.then_some(marker)
    }

    fn expand(
        &self,
        state: Option<&Type>,
        types: &ParamTypes<'_>,
        core: &TokenStream,
    ) -> TokenStream {
        let cfg = attributes(&self.first.attrs, &["cfg"]);
        let cfg = quote!(#(#cfg)*);
        let marker = self.marker();
        let Gives { session, page, .. } = self.gives;
        let session = session.then(|| quote!(#cfg impl #core::extract::HasSession for #marker {}));
        let page = page.then(|| quote!(#cfg impl #core::extract::HasPage for #marker {}));
        let state = state.map(|state| {
            quote! {
                #cfg
                impl<__T: #core::extract::FromRef<#state>> #core::extract::Provides<__T> for #marker {
                    fn provide(__state: &#core::extract::AnyState) -> __T {
                        <__T as #core::extract::FromRef<#state>>::from_ref(__state.get::<#state>())
                    }
                }
            }
        });
        let params = self.params(types, core);
        quote!(#session #page #state #params)
    }

    /// The parameters by place, `Path<u64>` and `Path<(u64, String)>`, and by name.
    fn params(&self, types: &ParamTypes<'_>, core: &TokenStream) -> TokenStream {
        let cfg = attributes(&self.first.attrs, &["cfg"]);
        let cfg = quote!(#(#cfg)*);
        let (marker, pattern) = (self.marker(), &self.first.pattern);
        let own_types: Vec<_> = pattern.params().map(param_type).collect();
        let reads = pattern.params().enumerate().map(|(place, segment)| {
            if let Segment::Typed { written, .. } = segment {
                let ty = types.name(written);
                quote!(#ty.read(__params, #place)?)
            } else {
                quote!(__params.parse::<::std::string::String>(#place)?)
            }
        });
        let by_place = match &own_types[..] {
            [] => None,
            [ty] => Some((quote!(#ty), quote!(#(#reads)*))),
            _ => Some((quote!((#(#own_types),*)), quote!((#(#reads),*)))),
        };
        // Located at the path, and yet an expansion's: the compiler suggests no edits there.
        let span = Span::call_site().located_at(self.first.path.span());
        let by_place = by_place.map(|(ty, value)| {
            quote_spanned! {span=>
                #cfg
                impl #core::extract::FromParams<#marker> for #ty {
                    fn from_params(
                        __params: &#core::extract::Params,
                    ) -> ::core::result::Result<Self, #core::error::Refusal> {
                        ::core::result::Result::Ok(#value)
                    }
                }
            }
        });
        let by_name = pattern.params().zip(&own_types).map(|(segment, ty)| {
            let name = segment.param().map(|name| name_type(name, core));
            quote_spanned!(span=> #cfg impl #core::extract::HasParam<#name, #ty> for #marker {})
        });
        quote!(#by_place #(#by_name)*)
    }
}

/// The type of a parameter, as the handler gets it.
fn param_type(segment: &Segment) -> TokenStream {
    if let Segment::Typed { ty, .. } = segment {
        ty.to_token_stream()
    } else {
        quote!(::std::string::String)
    }
}
