//! Generates the implementation of `Handler` for a block. Nothing here can fail: `check` has
//! reported all mistakes.
//!
//! Every item is named by absolute path and every local name belongs to the macro, so that an
//! expansion has the same meaning everywhere. Types of the user keep their spans: if a trait is
//! missing, the compiler points at the type in the signature. The user also sees other names in the
//! compiler's messages, so they are readable.

mod arguments;
mod borrowing;
mod hooks;
mod names;
mod sends;
mod traits;
mod variants;

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::{ImplGenerics, Lifetime, Type, TypeGenerics};

use super::ast::{Argument, HandlerBlock, Hook, HookKind, has_elided, static_lifetime};
use crate::condition::conditions;
use crate::crate_path::CratePath;
use crate::source::{with_spans, written};
use hooks::Method;
use names::{free_ident, free_lifetime};
use variants::{Variant, combinations};

/// Implements `Handler`, once for each combination of the conditions of the hooks. After mistakes,
/// the hooks without one are included, so that the compiler checks their types in the same run, and
/// the rest of the program type-checks as if there were no mistake.
pub(crate) fn implementation(
    block: &HandlerBlock,
    path: &CratePath,
    sends: Option<&[Type]>,
    has_mistakes: bool,
) -> TokenStream {
    if let Some((of_trait, _)) = &block.item.trait_
        && of_trait
            .segments
            .last()
            .is_some_and(|last| last.ident == "Handler")
    {
        return TokenStream::new();
    }
    let variants = combinations(block)
        .into_iter()
        .map(|variant| Expansion::new(block, path, variant, has_mistakes).all());
    let sends = sends::sends(block, path, sends);
    quote!(#(#variants)* #sends)
}

/// The data for the expansion of one variant.
struct Expansion<'b> {
    block: &'b HandlerBlock,
    /// The hooks without mistakes.
    hooks: Vec<&'b Hook>,
    /// `#[cfg(…)]`s of the block and of the variant.
    conditions: TokenStream,
    /// `::ws_server::__macro_0_1_0`
    path: TokenStream,
    /// The parameter of the implementation for the marker of a route.
    route: Ident,
    /// The lifetime of one call of a hook.
    call: Lifetime,
    /// Whether any mistake in the block was reported.
    has_mistakes: bool,
}

impl<'b> Expansion<'b> {
    fn new(
        block: &'b HandlerBlock,
        path: &CratePath,
        variant: Variant<'b>,
        has_mistakes: bool,
    ) -> Self {
        let Variant { condition, hooks } = variant;
        let own = conditions(&block.item.attrs);
        let own = own.iter().map(|condition| &condition.predicate);
        let written = block.item.to_token_stream();
        Self {
            block,
            hooks,
            conditions: quote!(#(#[cfg(#own)])* #condition),
            path: path.hidden(),
            route: free_ident("Route", &written),
            call: free_lifetime("call", &written),
            has_mistakes,
        }
    }

    /// Returns the hook of this kind, if the variant has one without mistakes.
    fn hook(&self, kind: HookKind) -> Option<&'b Hook> {
        self.hooks.iter().find(|hook| hook.kind == kind).copied()
    }

    /// Whether the block has a hook of this kind that cannot be called.
    fn is_mistaken(&self, kind: HookKind) -> bool {
        self.block.item.trait_.is_some() || self.block.hooks_of(kind).any(|hook| hook.has_mistakes)
    }

    /// Generates all items of the variant.
    fn all(&self) -> TokenStream {
        let methods: Vec<_> = self
            .hooks
            .iter()
            .filter_map(|hook| match hook.kind {
                HookKind::Init => None,
                HookKind::Message => Some(self.message(hook)),
                HookKind::Info => Some(self.info(hook)),
                HookKind::Terminate => Some(self.terminate(hook)),
            })
            .collect();
        let checks = self.checks();
        let accepts = self.accepts();
        let init = match self.hook(HookKind::Init) {
            Some(hook) => self.init(hook),
            None if self.is_mistaken(HookKind::Init) => self.init_after_a_mistake(),
            None => {
                let others = self.other_hooks(&methods, &checks);
                let handler = self.without_init();
                return quote!(#handler #others #accepts);
            }
        };
        let visitor = self.visitor();
        let fields = self.fields();
        let checks = (!checks.is_empty()).then(|| quote!(fn check_arguments() { #checks }));
        let handler = self.handler(&quote!(#visitor #fields #init #(#methods)* #checks));
        let leaves_params = self.leaves_params();
        let declared = self.declared();
        quote!(#handler #accepts #leaves_params #declared)
    }

    /// Prevents warnings about a handler that no table uses: it may be meant for other crates, for
    /// tests, or for a future table.
    fn declared(&self) -> TokenStream {
        let Self {
            path, conditions, ..
        } = self;
        let (parameters, ty, bounds) = self.header();
        quote! {
            #conditions
            impl #parameters #path::handler::IsUsed<#ty> for () #bounds {}
        }
    }

    /// Generates an `init` that is never called, because the program does not compile.
    fn init_after_a_mistake(&self) -> TokenStream {
        let path = &self.path;
        quote! {
            async fn init(
                _: &#path::extract::Opening<Self>,
            ) -> ::core::result::Result<Self, #path::error::Refusal> {
                ::core::unreachable!()
            }
        }
    }

    /// Reports that there is no `init`.
    ///
    /// The error is in the type of the route, which is then unknown, so the compiler does not
    /// compare such an implementation with that of another block. If the block has no hooks at all,
    /// there is probably no other block; then uses of the handler are not reported either.
    fn without_init(&self) -> TokenStream {
        let Self {
            path, conditions, ..
        } = self;
        let message = self.no_init();
        let place = span_of(&self.block.item.self_ty);
        let reported = quote_spanned!(place=> [(); ::core::compile_error!(#message)]);
        let may_be_elsewhere = !self.hooks.is_empty() && !self.has_init_somewhere();
        let (route, missing) = if may_be_elsewhere {
            (reported, TokenStream::new())
        } else {
            let route = quote!(<#reported as Missing>::Route);
            (
                route,
                quote!(
                    trait Missing {
                        type Route;
                    }
                ),
            )
        };
        let init = self.init_after_a_mistake();
        let (parameters, ty, bounds) = self.header();
        quote! {
            #conditions
            const _: () = {
                #missing
                #[automatically_derived]
                impl #parameters #path::handler::Handler<#route> for #ty #bounds {
                    #init
                }
            };
        }
    }

    /// Whether the block has an `init` under other conditions.
    fn has_init_somewhere(&self) -> bool {
        self.block.hooks_of(HookKind::Init).next().is_some()
    }

    /// Returns the message about a block without `init`.
    fn no_init(&self) -> String {
        if self.has_init_somewhere() {
            let text = written(&self.conditions);
            return format!(
                "this handler has no `init` under `{text}`\nhelp: add an `init` with this condition"
            );
        }
        let advice = "add `fn init() -> Self { … }`; it may take arguments such as `socket: \
                      &Socket<Self>`, `state: State<T>` and `Path(id): Path<T>`";
        let belongs = if self.hooks.is_empty() {
            ""
        } else {
            "\nhelp: if it is in another impl block, move these hooks there: all hooks of a \
             handler belong in one block"
        };
        format!(
            "this handler has no `init`, which creates it when a client connects\n\
             help: {advice}{belongs}"
        )
    }

    /// Generates the hooks of a block without `init`, so that their types are checked nevertheless.
    fn other_hooks(&self, methods: &[Method], checks: &TokenStream) -> TokenStream {
        let Self {
            route, conditions, ..
        } = self;
        let signatures = methods.iter().map(|method| &method.signature);
        let parameters = self.parameters();
        let (parameters, _, _) = parameters.split_for_impl();
        let bounds = self.where_clause(&self.all_bounds());
        let ty = &self.block.item.self_ty;
        quote! {
            #conditions
            const _: () = {
                trait OtherHooks<#route>: ::core::marker::Sized {
                    #(#signatures;)*
                    fn check_arguments();
                }
                impl #parameters OtherHooks<#route> for #ty #bounds {
                    #(#methods)*
                    fn check_arguments() { #checks }
                }
            };
        }
    }

    /// Returns the generics of the block, with the route.
    fn parameters(&self) -> syn::Generics {
        let route = &self.route;
        let mut generics = self.block.item.generics.clone();
        generics.params.push(syn::parse_quote!(#route));
        generics
    }

    /// Generates `impl Handler<Route> for Room`, with these methods.
    fn handler(&self, methods: &TokenStream) -> TokenStream {
        let Self {
            path,
            route,
            conditions,
            ..
        } = self;
        let generics = self.parameters();
        let (parameters, _, _) = generics.split_for_impl();
        let mut bounds = self.all_bounds();
        bounds.extend(self.is_send());
        let bounds = self.where_clause(&bounds);
        let ty = &self.block.item.self_ty;
        quote! {
            #conditions
            #[automatically_derived]
            impl #parameters #path::handler::Handler<#route> for #ty #bounds {
                #methods
            }
        }
    }

    /// Assumes in the hooks that the handler is `Send`: if it is not, the compiler reports that
    /// once, at the handler, and not for each async hook.
    fn is_send(&self) -> Option<TokenStream> {
        let Self { path, route, .. } = self;
        let place = located(span_of(&self.block.item.self_ty));
        let bound = quote!(Self: #path::handler::SendHandler<#route>);
        let is_plain = self.block.item.generics.params.is_empty() && !self.has_lifetimes();
        let names = located(self.block.item.impl_token.span);
        is_plain.then(|| with_spans(bound, place, names))
    }

    fn has_lifetimes(&self) -> bool {
        let item = &self.block.item;
        item.generics.lifetimes().next().is_some() || has_elided(&item.self_ty)
    }

    /// Returns the user's where clause with these bounds, and the bounds of every handler.
    fn where_clause(&self, bounds: &[TokenStream]) -> TokenStream {
        let generics = &self.block.item.generics;
        let user = generics
            .where_clause
            .iter()
            .flat_map(|clause| &clause.predicates);
        let own = if self.has_lifetimes() {
            // If `Send` is assumed for one lifetime, the compiler no longer notices that the type
            // is `Send` for all lifetimes, which the futures of async hooks require.
            quote!(Self: 'static,)
        } else if generics.params.is_empty() {
            TokenStream::new()
        } else {
            quote!(Self: ::core::marker::Send + 'static,)
        };
        quote!(where #(#user,)* #own #(#bounds,)*)
    }

    /// Implements `IgnoresPathParams` on the condition that all arguments of `init` do. The compiler
    /// does not evaluate such a condition as long as it contains the parameter of the route.
    fn leaves_params(&self) -> Option<TokenStream> {
        let Self {
            path,
            route,
            conditions,
            ..
        } = self;
        let init = self.hook(HookKind::Init)?;
        let lifetime = static_lifetime();
        let arguments = init.arguments.iter().map(|argument| {
            let ty = init.with_lifetimes(&argument.ty, &lifetime);
            quote!(#ty: #path::extract::IgnoresPathParams<#route>)
        });
        let generics = self.parameters();
        let (parameters, _, _) = generics.split_for_impl();
        let bounds = self.where_clause(&arguments.collect::<Vec<_>>());
        let ty = &self.block.item.self_ty;
        Some(quote! {
            #conditions
            #[automatically_derived]
            impl #parameters #path::extract::IgnoresPathParams<#route> for #ty #bounds {}
        })
    }

    /// Declares the notifications that the handler takes. After a mistake in `info` they are
    /// unknown.
    fn accepts(&self) -> TokenStream {
        let Self {
            path, conditions, ..
        } = self;
        let lifetime = static_lifetime();
        if let Some(hook) = self.hook(HookKind::Info) {
            let value = hook
                .payload()
                .map(|value| hook.with_lifetimes(&value.ty, &lifetime));
            let (parameters, ty, bounds) = self.header();
            return quote! {
                #conditions
                #[automatically_derived]
                impl #parameters #path::mailbox::Accepts<#value> for #ty #bounds {}
            };
        }
        let is_sure = match self.block.hooks_of(HookKind::Info).next() {
            Some(_) => !self.is_mistaken(HookKind::Info),
            // `info` may be in another block.
            None => self.block.hooks_of(HookKind::Init).next().is_none(),
        };
        if is_sure || !self.has_mistakes {
            return TokenStream::new();
        }
        let any = free_ident("Any", &self.block.item.to_token_stream());
        let mut generics = self.block.item.generics.clone();
        generics.params.push(syn::parse_quote!(#any));
        let (parameters, _, bounds) = generics.split_for_impl();
        let ty = &self.block.item.self_ty;
        quote! {
            #conditions
            #[automatically_derived]
            impl #parameters #path::mailbox::Accepts<#any> for #ty #bounds {}
        }
    }

    /// Returns `<T>`, `Room<T>` and the where clause of the user's block.
    fn header(&self) -> (ImplGenerics<'b>, &'b Type, Option<&'b syn::WhereClause>) {
        let (parameters, _, bounds): (_, TypeGenerics<'_>, _) =
            self.block.item.generics.split_for_impl();
        (parameters, &self.block.item.self_ty, bounds)
    }
}

/// Returns a span at the user's code for tokens of the macro: errors are shown there, but the names
/// belong to the macro, and lints know that it generated them.
fn located(place: Span) -> Span {
    Span::mixed_site().located_at(place)
}

/// Returns the span of generated names for the type of an argument: inside the type or before it,
/// at a token where an editor looks for no name.
fn names_of(argument: &Argument) -> Span {
    match argument.ty.to_token_stream().into_iter().last() {
        Some(TokenTree::Punct(last)) => last.span(),
        _ => argument.colon,
    }
}

/// Returns the start of a type.
fn span_of(ty: &Type) -> Span {
    ty.to_token_stream()
        .into_iter()
        .next()
        .map_or_else(Span::call_site, |token| token.span())
}
