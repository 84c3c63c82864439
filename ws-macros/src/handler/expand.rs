//! The implementation of `Handler` that a block asks for. Nothing here can fail: what
//! could is reported by `check`.
//!
//! Everything is named by absolute path and every local name is the macro's own, so that
//! an expansion means the same wherever it stands. Types of the user keep their spans:
//! where a trait is missing, the compiler points at the type in the signature.

mod hooks;
mod variants;

use proc_macro2::{Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::{ImplGenerics, Type, TypeGenerics};

use super::ast::{Argument, Block, Hook, Kind, cfgs, name_of};
use crate::crate_path::CratePath;
use crate::handler::check::leaves_params;
use crate::source::written;
use variants::{Variant, combinations};

/// The parameter of the implementation that stands for the marker of a route.
const ROUTE: &str = "__Route";

/// Implements `Handler`, once for each combination of the conditions of the hooks.
pub fn implementation(block: &Block, path: &CratePath) -> TokenStream {
    combinations(block)
        .into_iter()
        .map(|hooks| Expansion::new(block, path, hooks).all())
        .collect()
}

/// Implements `Handler` with hooks that do nothing, after mistakes were reported: the
/// rest of the program then type-checks as if there were none.
pub fn stub(block: &Block, path: &CratePath) -> TokenStream {
    if let Some((of_trait, _)) = &block.item.trait_
        && of_trait
            .segments
            .last()
            .is_some_and(|last| last.ident == "Handler")
    {
        return TokenStream::new();
    }
    let hooks = Variant {
        condition: TokenStream::new(),
        hooks: Vec::new(),
    };
    let expansion = Expansion::new(block, path, hooks);
    let macro_path = &expansion.path;
    let init = quote! {
        async fn init(
            _: &#macro_path::extract::Opening<Self>,
        ) -> ::core::result::Result<Self, #macro_path::error::Refusal> {
            ::core::unreachable!()
        }
    };
    let implementation = expansion.handler(&[], &init);
    let accepts = expansion.accepts_anything();
    quote!(#implementation #accepts)
}

/// What the expansion of one variant needs at hand.
struct Expansion<'b> {
    block: &'b Block,
    hooks: Vec<&'b Hook>,
    /// `#[cfg(…)]`s of the block and of the variant.
    conditions: TokenStream,
    /// `::ws_server::__macro`
    path: TokenStream,
    route: Ident,
}

impl<'b> Expansion<'b> {
    fn new(block: &'b Block, path: &CratePath, variant: Variant<'b>) -> Self {
        let own = cfgs(&block.item.attrs);
        let condition = variant.condition;
        Self {
            block,
            hooks: variant.hooks,
            conditions: quote!(#(#own)* #condition),
            path: path.hidden(),
            route: format_ident!("{ROUTE}"),
        }
    }

    /// All items of the variant.
    fn all(&self) -> TokenStream {
        if !self.hooks.iter().any(|hook| hook.kind == Kind::Init) {
            return self.no_init();
        }
        let mut bounds: Vec<TokenStream> = Vec::new();
        for bound in self.hooks.iter().flat_map(|hook| self.bounds(hook)) {
            if !bounds
                .iter()
                .any(|known| known.to_string() == bound.to_string())
            {
                bounds.push(bound);
            }
        }
        let methods = self.hooks.iter().map(|hook| match hook.kind {
            Kind::Init => self.init(hook),
            Kind::Message => self.message(hook),
            Kind::Info => self.info(hook),
            Kind::Terminate => self.terminate(hook),
        });
        let methods: TokenStream = methods.collect();
        let visitor = self.visitor();
        let fields = self.fields();
        let handler = self.handler(&bounds, &quote!(#visitor #fields #methods));
        let accepts = self.accepts();
        let leaves_params = self.leaves_params();
        let assertions = self.assertions();
        quote!(#handler #accepts #leaves_params #assertions)
    }

    /// `check` sees an `init` that not every combination of conditions has.
    fn no_init(&self) -> TokenStream {
        let conditions = &self.conditions;
        let text = written(conditions);
        let message =
            format!("under `{text}` this handler has no `init`\nhelp: write one for that case");
        quote_spanned! {span_of(&self.block.item.self_ty)=>
            #conditions
            ::core::compile_error!(#message);
        }
    }

    /// `impl Handler<Route> for Room`, with these bounds and methods.
    fn handler(&self, bounds: &[TokenStream], methods: &TokenStream) -> TokenStream {
        let Self {
            path,
            route,
            conditions,
            ..
        } = self;
        let mut generics = self.block.item.generics.clone();
        generics.params.push(syn::parse_quote!(#route));
        let (parameters, _, _) = generics.split_for_impl();
        let bounds = self.where_clause(bounds);
        let ty = &self.block.item.self_ty;
        quote! {
            #conditions
            #[automatically_derived]
            impl #parameters #path::handler::Handler<#route> for #ty #bounds {
                #methods
            }
        }
    }

    /// The user's where clause with these bounds added, and what every handler must be.
    fn where_clause(&self, bounds: &[TokenStream]) -> TokenStream {
        let generics = &self.block.item.generics;
        let ty = self.block.item.self_ty.to_token_stream().to_string();
        let user = generics
            .where_clause
            .iter()
            .flat_map(|clause| &clause.predicates);
        let own = if generics.lifetimes().next().is_some() || ty.contains("'_") {
            // With `Send` for one lifetime assumed, the compiler no longer sees that the
            // type is `Send` for all of them, as the futures of async hooks need it.
            quote!(Self: 'static,)
        } else if generics.params.is_empty() {
            TokenStream::new()
        } else {
            quote!(Self: ::core::marker::Send + 'static,)
        };
        quote!(where #(#user,)* #own #(#bounds,)*)
    }

    /// What the route must give for the arguments of a hook.
    fn bounds(&self, hook: &'b Hook) -> impl Iterator<Item = TokenStream> {
        let Self { path, route, .. } = self;
        let extractor = extractor_trait(hook.kind);
        let path = path.clone();
        hook.extractors().map(move |argument| {
            let ty = hook.with_lifetimes(&argument.ty, "'__call");
            // Where a route does not meet the bound, the compiler shows the argument.
            let bound = at(
                &quote!(#path::extract::#extractor<'__call, Self, #route>),
                located(span_of(&argument.ty)),
            );
            quote!(for<'__call> #ty: #bound)
        })
    }

    /// Says whether any argument shows who is at the other end.
    fn visitor(&self) -> TokenStream {
        let Self { path, route, .. } = self;
        let asks = self.hooks.iter().flat_map(|hook| {
            let extractor = extractor_trait(hook.kind);
            hook.extractors().map(move |argument| {
                let ty = hook.with_lifetimes(&argument.ty, "'static");
                quote!(<#ty as #path::extract::#extractor<'static, Self, #route>>::VISITOR)
            })
        });
        let asks: Vec<_> = asks.collect();
        if asks.is_empty() {
            return TokenStream::new();
        }
        quote!(const VISITOR: ::core::primitive::bool = #(#asks)||*;)
    }

    /// Says what `init` takes of the path by name, where that is all that it takes of it.
    fn fields(&self) -> Option<TokenStream> {
        let Self { path, route, .. } = self;
        let init = self.hooks.iter().find(|hook| hook.kind == Kind::Init)?;
        let is_path = |argument: &&Argument| name_of(&argument.ty) == "Path";
        let (paths, others): (Vec<_>, Vec<_>) = init.extractors().partition(is_path);
        if paths.is_empty() || !others.iter().all(|other| leaves_params(&other.ty)) {
            return None;
        }
        let fields = paths.iter().map(|argument| {
            let ty = init.with_lifetimes(&argument.ty, "'static");
            quote!(<#ty as #path::extract::FromHandshake<'static, Self, #route>>::FIELDS)
        });
        Some(quote! {
            const FIELDS: &'static [::core::option::Option<&'static [&'static ::core::primitive::str]>] =
                &[#(#fields),*];
        })
    }

    /// Says that the handler reads no parameter of its route, where that is sure.
    fn leaves_params(&self) -> Option<TokenStream> {
        let mut init = self.hooks.iter().filter(|hook| hook.kind == Kind::Init);
        if !init.all(|hook| hook.extractors().all(|it| leaves_params(&it.ty))) {
            return None;
        }
        let Self {
            path, conditions, ..
        } = self;
        let (parameters, ty, _) = self.header();
        let bounds = self.where_clause(&[]);
        Some(quote! {
            #conditions
            #[automatically_derived]
            impl #parameters #path::extract::LeavesParams for #ty #bounds {}
        })
    }

    /// Says which notifications the handler takes.
    fn accepts(&self) -> TokenStream {
        let Self {
            path, conditions, ..
        } = self;
        let Some(hook) = self.hooks.iter().find(|hook| hook.kind == Kind::Info) else {
            return TokenStream::new();
        };
        let value = hook
            .payload()
            .map(|value| hook.with_lifetimes(&value.ty, "'static"));
        let (parameters, ty, bounds) = self.header();
        quote! {
            #conditions
            #[automatically_derived]
            impl #parameters #path::mailbox::Accepts<#value> for #ty #bounds {}
        }
    }

    /// After a mistake it is not known which notifications the handler takes.
    fn accepts_anything(&self) -> TokenStream {
        let Self {
            path, conditions, ..
        } = self;
        let mut generics = self.block.item.generics.clone();
        generics.params.push(syn::parse_quote!(__Value));
        let (parameters, _, bounds) = generics.split_for_impl();
        let ty = &self.block.item.self_ty;
        quote! {
            #conditions
            #[automatically_derived]
            impl #parameters #path::mailbox::Accepts<__Value> for #ty #bounds {}
        }
    }

    /// Checks each argument against the marker of no route in particular, or a type that no
    /// route gives would be noticed only where a table uses the handler.
    fn assertions(&self) -> TokenStream {
        let Self {
            path, conditions, ..
        } = self;
        let checks: TokenStream = self
            .hooks
            .iter()
            .flat_map(|hook| self.checks(hook))
            .collect();
        if checks.is_empty() {
            return checks;
        }
        let (parameters, ty, _) = self.header();
        let bounds = self.where_clause(&[]);
        quote! {
            #conditions
            const _: () = {
                #[allow(dead_code)]
                trait __Arguments {
                    fn __check();
                }
                #[automatically_derived]
                impl #parameters __Arguments for #ty #bounds {
                    fn __check() {
                        fn __argument<'a, H, T>()
                        where
                            T: #path::extract::FromHandshake<'a, H, #path::extract::AnyRoute>,
                        {
                        }
                        #checks
                    }
                }
            };
        }
    }

    /// One check for each argument of a hook. To name a function of the trait gives the
    /// shorter error, but reports a function that returns a future twice.
    fn checks(&self, hook: &'b Hook) -> impl Iterator<Item = TokenStream> {
        let path = self.path.clone();
        // What the path has, only a route knows.
        let known = hook
            .extractors()
            .filter(|argument| name_of(&argument.ty) != "Path");
        known.map(move |argument| {
            let ty = hook.with_lifetimes(&argument.ty, "'_");
            if hook.kind == Kind::Init {
                return quote!(__argument::<Self, #ty>(););
            }
            quote! {
                let _ = <#ty as #path::extract::FromConnection<'_, Self, #path::extract::AnyRoute>>
                    ::from_connection;
            }
        })
    }

    /// `<T>`, `Room<T>` and the where clause of the user's block.
    fn header(&self) -> (ImplGenerics<'b>, &'b Type, Option<&'b syn::WhereClause>) {
        let (parameters, _, bounds): (_, TypeGenerics<'_>, _) =
            self.block.item.generics.split_for_impl();
        (parameters, &self.block.item.self_ty, bounds)
    }
}

/// The trait that fills the arguments of a hook.
fn extractor_trait(kind: Kind) -> TokenStream {
    match kind {
        Kind::Init => quote!(FromHandshake),
        Kind::Message | Kind::Info | Kind::Terminate => quote!(FromConnection),
    }
}

/// A place in the user's code, for tokens that are the macro's own: errors are shown
/// there, while names are the macro's and lints know that it wrote them.
fn located(place: Span) -> Span {
    Span::mixed_site().located_at(place)
}

/// All of these tokens at one place. An error is shown there only if the whole of what it
/// is about stands there.
fn at(tokens: &TokenStream, place: Span) -> TokenStream {
    let moved = tokens.clone().into_iter().map(|mut token| {
        if let TokenTree::Group(group) = &token {
            let inner = at(&group.stream(), place);
            token = TokenTree::Group(Group::new(group.delimiter(), inner));
        }
        token.set_span(place);
        token
    });
    moved.collect()
}

/// Where a type begins.
fn span_of(ty: &Type) -> Span {
    ty.to_token_stream()
        .into_iter()
        .next()
        .map_or_else(Span::call_site, |token| token.span())
}
