//! The requirements of the hooks' arguments: bounds on the route, checks without a route, and
//! constants that describe them.

use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident, quote};
use syn::Type;

use super::{Expansion, located, names_of, span_of};
use crate::handler::ast::{
    Argument, Hook, HookKind, contains_impl, elided_lifetime, is_never, static_lifetime,
};
use crate::handler::check::likely_mistakes::{self, LikelyMistake};
use crate::source::{UsedNames, respanned, with_spans};

impl<'b> Expansion<'b> {
    /// Returns the marker of the route, as the arguments of a hook see it.
    pub(crate) fn route_in(&self, hook: &Hook) -> TokenStream {
        let Self { path, route, .. } = self;
        match hook.kind {
            HookKind::Terminate => quote!(#path::extract::Ended<#route>),
            HookKind::Init | HookKind::Message | HookKind::Info => quote!(#route),
        }
    }

    /// Returns the requirements on the route for the arguments of all hooks, each once.
    pub(crate) fn all_bounds(&self) -> Vec<TokenStream> {
        let mut bounds: Vec<TokenStream> = Vec::new();
        for bound in self.hooks.iter().flat_map(|hook| self.bounds(hook)) {
            if !bounds
                .iter()
                .any(|known| known.to_string() == bound.to_string())
            {
                bounds.push(bound);
            }
        }
        bounds
    }

    fn bounds(&self, hook: &'b Hook) -> impl Iterator<Item = TokenStream> {
        let Self { path, call, .. } = self;
        let extractor = extractor_trait(hook.kind);
        let route = self.route_in(hook);
        hook.extractors().map(move |argument| {
            let ty = hook.with_lifetimes(&argument.ty, call);
            // If a route does not satisfy the bound, the compiler shows the argument.
            let bound = with_spans(
                quote!(#path::extract::#extractor<#call, Self, #route>),
                located(span_of(&argument.ty)),
                located(names_of(argument)),
            );
            quote!(for<#call> #ty: #bound)
        })
    }

    /// Declares whether any argument identifies the visitor.
    pub(crate) fn visitor(&self) -> TokenStream {
        let path = &self.path;
        let lifetime = static_lifetime();
        let asks = self.hooks.iter().flat_map(|hook| {
            let extractor = extractor_trait(hook.kind);
            let route = self.route_in(hook);
            let lifetime = &lifetime;
            hook.extractors().map(move |argument| {
                let ty = hook.with_lifetimes(&argument.ty, lifetime);
                quote!(<#ty as #path::extract::#extractor<'static, Self, #route>>::VISITOR)
            })
        });
        let asks: Vec<_> = asks.collect();
        if asks.is_empty() {
            return TokenStream::new();
        }
        let borrowing = self
            .hook(HookKind::Init)
            .map(|init| self.borrowing_arguments(init));
        let asks = quote!(#(#asks)||*);
        let asks = in_block(borrowing, asks);
        quote!(const VISITOR: ::core::primitive::bool = #asks;)
    }

    /// Declares the parameters of the path that `init` takes by name.
    pub(crate) fn fields(&self) -> Option<TokenStream> {
        let Self { path, route, .. } = self;
        let lifetime = static_lifetime();
        let init = self.hook(HookKind::Init)?;
        let fields = init.arguments.iter().map(|argument| {
            let ty = init.with_lifetimes(&argument.ty, &lifetime);
            quote!(<#ty as #path::extract::FromHandshake<'static, Self, #route>>::FIELDS)
        });
        let fields = in_block(
            Some(self.borrowing_arguments(init)),
            quote!(&[#(#fields),*]),
        );
        (!init.arguments.is_empty()).then(|| {
            quote! {
                const FIELDS: &'static [::core::option::Option<&'static [&'static ::core::primitive::str]>] =
                    #fields;
            }
        })
    }

    /// Checks each argument without a route: otherwise a type that no route provides would be
    /// noticed only when a table uses the handler. For a hook with mistakes, which is not called,
    /// all valid types are checked.
    pub(crate) fn checks(&self) -> TokenStream {
        let flawed = |hook: &&Hook| hook.has_mistakes && !hook.is_generic();
        let flawed = self.block.hooks.iter().filter(flawed);
        let flawed = flawed.filter(|_| self.block.item.trait_.is_none());
        let of_flawed: TokenStream = flawed
            .map(|hook| {
                let arguments: TokenStream = self.checks_of(hook).collect();
                let (payload, output) = (self.check_of_payload(hook), self.check_of_output(hook));
                let borrowing = self.borrowing(hook);
                quote!({ #arguments } #borrowing { #payload } { #output })
            })
            .collect();
        let hooks = self.hooks.iter();
        let checks: TokenStream = hooks.flat_map(|hook| self.checks_of(hook)).collect();
        let init = self
            .hook(HookKind::Init)
            .map(|init| self.borrowing_arguments(init));
        quote!(#init #checks #of_flawed)
    }

    fn checks_of(&self, hook: &'b Hook) -> impl Iterator<Item = TokenStream> {
        let first = self.first_of_info(hook);
        let place = |argument: &Argument| {
            let mut all = hook.arguments.iter();
            all.position(|other| std::ptr::eq(other, argument))
        };
        let others = hook
            .extractors()
            .filter(|argument| {
                !argument.has_mistakes && !likely_mistakes::may_be_payload(hook, argument)
            })
            // Such a type depends on the handler that a table names, and is checked there.
            .filter(|argument| !self.has_parameters(&argument.ty))
            .map(move |argument| self.check(hook, argument, place(argument).unwrap_or_default()));
        first.into_iter().chain(others)
    }

    /// Whether a type contains type parameters of the block.
    fn has_parameters(&self, ty: &Type) -> bool {
        let names = UsedNames::of(&ty.to_token_stream()).idents;
        let mut parameters = self.block.item.generics.type_params();
        parameters.any(|parameter| names.contains(&parameter.ident.to_string()))
    }

    fn check(&self, hook: &Hook, argument: &Argument, place: usize) -> TokenStream {
        let path = &self.path;
        let ty = hook.with_lifetimes(&argument.ty, &elided_lifetime());
        let Some(mistake) = likely_mistakes::of_extractor(hook, argument) else {
            let name = match hook.kind {
                HookKind::Init => quote!(InitArgument),
                HookKind::Message | HookKind::Info => quote!(HookArgument),
                HookKind::Terminate => quote!(TerminateArgument),
            };
            return quote!(let _ = <#ty as #path::extract::#name<'_, Self>>::check;);
        };
        let on_unimplemented = on_unimplemented(&mistake);
        let real = match (hook.kind, mistake.only_in_terminate) {
            (HookKind::Init, _) => quote!(#path::extract::InitArgument),
            (HookKind::Terminate, false) => quote!(#path::extract::TerminateArgument),
            _ => quote!(#path::extract::HookArgument),
        };
        // The compiler shows the name, and its path if the name exists twice.
        let name = format_ident!("{}Argument{}", camel(hook.kind), place + 1);
        quote! {
            {
                #on_unimplemented
                trait #name<'a, H> {
                    fn check() {}
                }
                #[diagnostic::do_not_recommend]
                impl<'a, H, T: #real<'a, H>> #name<'a, H> for T {}
                let _ = <#ty as #name<'_, Self>>::check;
            }
        }
    }

    /// Checks the first argument of `info`: any type of the user is a notification, but a type of
    /// the library is meant as an extractor.
    fn first_of_info(&self, hook: &Hook) -> Option<TokenStream> {
        let path = &self.path;
        let payload = hook.payload().filter(|_| hook.kind == HookKind::Info)?;
        likely_mistakes::of_payload(hook).filter(|_| !payload.has_mistakes)?;
        let ty = hook.with_lifetimes(&payload.ty, &elided_lifetime());
        let first = respanned(
            quote!(<#path::extract::FirstInfoArgument<#ty, Self>>::check),
            located(span_of(&payload.ty)),
        );
        Some(quote! {
            {
                use #path::extract::NotificationFallback as _;
                let _ = #first;
            }
        })
    }

    /// Checks that the payload of a hook that is not called can be decoded.
    fn check_of_payload(&self, hook: &Hook) -> Option<TokenStream> {
        let payload = hook.payload().filter(|payload| !payload.has_mistakes)?;
        let ty = hook.with_lifetimes(&payload.ty, &elided_lifetime());
        let (declared, conversion) = self.payload_trait(hook);
        (hook.kind == HookKind::Message)
            .then(|| quote!(#declared let _ = <#ty as #conversion>::from_message;))
    }

    /// Checks that the return value of such a hook can be sent, or is the handler.
    fn check_of_output(&self, hook: &Hook) -> Option<TokenStream> {
        let output = hook.output();
        let is_named = contains_impl(&output).is_none() && !is_never(&output);
        if hook.output_has_mistakes || !is_named || hook.kind == HookKind::Terminate {
            return None;
        }
        let ty = hook.with_lifetimes(&output, &elided_lifetime());
        let (declared, conversion, method) = self.output_trait(hook);
        Some(quote!(#declared let _ = <#ty as #conversion>::#method;))
    }
}

/// Returns a block with the statements and the value, or only the value if there are none.
fn in_block(statements: Option<TokenStream>, value: TokenStream) -> TokenStream {
    match statements.filter(|statements| !statements.is_empty()) {
        Some(statements) => quote!({ #statements #value }),
        None => value,
    }
}

/// Returns a hook's name, as a part of a type name.
fn camel(kind: HookKind) -> &'static str {
    match kind {
        HookKind::Init => "Init",
        HookKind::Message => "Message",
        HookKind::Info => "Info",
        HookKind::Terminate => "Terminate",
    }
}

/// Returns the attribute for the compiler's message if the trait that follows is not implemented.
pub(crate) fn on_unimplemented(mistake: &LikelyMistake) -> TokenStream {
    let LikelyMistake { message, label, .. } = mistake;
    quote!(#[diagnostic::on_unimplemented(message = #message, label = #label)])
}

/// Returns the trait that extracts the arguments of a hook.
fn extractor_trait(kind: HookKind) -> TokenStream {
    match kind {
        HookKind::Init => quote!(FromHandshake),
        HookKind::Message | HookKind::Info | HookKind::Terminate => quote!(FromConnection),
    }
}
