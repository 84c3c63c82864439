//! The methods of the implementation, which connect the connection with the hooks.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};

use super::names::local;
use super::{Expansion, located, names_of, span_of};
use crate::handler::ast::{
    Argument, Hook, Passing, Role, contains_impl, elided_lifetime, is_never,
};
use crate::handler::check::likely_mistakes;
use crate::source::respanned;

/// A method of the implementation.
pub(crate) struct Method {
    pub signature: TokenStream,
    body: TokenStream,
}

impl ToTokens for Method {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let Self { signature, body } = self;
        tokens.extend(quote!(#signature { #body }));
    }
}

impl Expansion<'_> {
    /// Generates `init`: extracts each argument from the request, then calls the hook.
    pub(crate) fn init(&self, hook: &Hook) -> TokenStream {
        let Self { path, route, .. } = self;
        let opening = local("opening");
        let names: Vec<_> = (0..hook.arguments.len())
            .map(|place| local(&format!("argument_{place}")))
            .collect();
        let types = hook
            .arguments
            .iter()
            .map(|argument| hook.with_lifetimes(&argument.ty, &elided_lifetime()));
        let awaited = hook.is_async().then(|| quote!(.await));
        let made = self.converted(hook, |place| {
            let name = hook_name(hook, place);
            quote_spanned!(place=> Self::#name(#(#names),*)#awaited)
        });
        let opening_is_used = if names.is_empty() {
            quote!(_)
        } else {
            quote!(#opening)
        };
        let borrowing = self.borrowing_arguments(hook);
        let future = quote_spanned! {located(hook.span())=>
            impl ::core::future::Future<
                Output = ::core::result::Result<Self, #path::error::Refusal>
            > + ::core::marker::Send
        };
        quote! {
            fn init(#opening_is_used: &#path::extract::Opening<Self>) -> #future {
                #borrowing
                async move {
                    #(let #names = <#types as #path::extract::FromHandshake<'_, Self, #route>>
                        ::from_handshake(#opening).await?;)*
                    #made
                }
            }
        }
    }

    /// Generates `message`: decodes the payload, then calls the hook.
    pub(crate) fn message(&self, hook: &Hook) -> Method {
        let path = &self.path;
        let (call, payload) = (local("call"), local("payload"));
        let (incoming, error) = (local("incoming"), local("error"));
        let ty = hook
            .payload()
            .map(|payload| hook.with_lifetimes(&payload.ty, &elided_lifetime()));
        let (declared, conversion) = self.payload_trait(hook);
        let step = self.step(hook);
        let place = located(ty.as_ref().map_or_else(Span::call_site, span_of));
        let names = hook.payload().map_or_else(Span::call_site, names_of);
        let name = |word| Ident::new(word, located(names));
        let (keyword, from_message) = (name("as"), name("from_message"));
        let decoded = quote_spanned!(place=> <#ty #keyword #conversion>::#from_message(#incoming));
        let borrowing = self.borrowing(hook);
        Method {
            signature: quote! {
                fn message(
                    #call: #path::handler::HookCall<'_, Self>,
                    #incoming: #path::decode::Payload<'_>,
                ) -> #path::handler::Step<Self>
            },
            body: quote! {
                #borrowing
                #declared
                let #payload = match #decoded {
                    ::core::result::Result::Ok(#payload) => #payload,
                    ::core::result::Result::Err(#error) => return #call.undecodable(#error),
                };
                #step
            },
        }
    }

    /// Generates `info`: takes the next notification, if there is one, then calls the hook.
    pub(crate) fn info(&self, hook: &Hook) -> Method {
        let path = &self.path;
        let (call, payload) = (local("call"), local("payload"));
        let ty = hook
            .payload()
            .map(|value| hook.with_lifetimes(&value.ty, &elided_lifetime()));
        let (step, borrowing) = (self.step(hook), self.borrowing(hook));
        Method {
            signature: quote! {
                fn info(
                    #call: #path::handler::HookCall<'_, Self>,
                ) -> ::core::option::Option<#path::handler::Step<Self>>
            },
            body: quote! {
                #borrowing
                let #payload = #call.context().next_notification::<#ty>()?;
                ::core::option::Option::Some(#step)
            },
        }
    }

    /// Calls `message` or `info`, in place or as a future.
    fn step(&self, hook: &Hook) -> TokenStream {
        let path = &self.path;
        let (call, this, context) = (local("call"), local("handler"), local("context"));
        let arguments: Vec<_> = hook
            .arguments
            .iter()
            .map(|argument| self.argument(hook, argument))
            .collect();
        let awaited = hook.is_async().then(|| quote!(.await));
        let reply = self.converted(hook, |place| {
            // The compiler resolves an alias.
            let named = hook
                .receiver
                .as_ref()
                .filter(|it| it.passing == Passing::PossibleAlias);
            let place = named.map_or(place, |named| located(named.span()));
            let (name, mut this) = (hook_name(hook, place), this.clone());
            this.set_span(place);
            quote_spanned!(place=> Self::#name(#this, #(#arguments),*)#awaited)
        });
        if !hook.is_async() {
            let context = binding_if_used(&context, hook.extractors().next().is_some());
            return quote!(#call.run(move |#this, #context| #reply));
        }
        let (taken, future, outcome) = (local("taken"), local("future"), local("outcome"));
        let pending = pending(hook, &quote!(#path::handler::Step));
        quote! {{
            let mut #taken = #call.into_owned();
            let #future = async move {
                let #outcome = {
                    let (#this, #context) = #path::handler::OwnedCall::parts(&mut #taken);
                    #path::handler::guard(#context, async move { #reply }).await
                };
                #taken.finish(#outcome)
            };
            #pending
        }}
    }

    /// Generates `terminate`: calls the hook with the handler, by value or borrowed.
    pub(crate) fn terminate(&self, hook: &Hook) -> Method {
        let path = &self.path;
        let (this, context, ending) = (local("handler"), local("context"), local("ending"));
        let arguments: Vec<_> = hook
            .arguments
            .iter()
            .map(|argument| self.argument(hook, argument))
            .collect();
        let passing = hook.receiver.as_ref().map(|receiver| receiver.passing);
        let (bound, passed) = match passing {
            Some(Passing::Reference) => (quote!(mut #this), quote!(&mut #this)),
            // The compiler determines which of them it is.
            Some(Passing::PossibleAlias) => (
                quote!(#this),
                quote!(#path::handler::Receiver::of(&mut ::core::option::Option::Some(#this))),
            ),
            _ => (quote!(#this), quote!(#this)),
        };
        let takes_context = hook.extractors().next().is_some();
        let bound_context = binding_if_used(&context, takes_context);
        let name = hook_name(hook, Span::mixed_site());
        let body = if hook.is_async() {
            let future = local("future");
            // The future owns its context, and the arguments borrow from it.
            let borrowed = takes_context.then(|| quote!(let #context = &#context;));
            let pending = pending(hook, &quote!(#path::handler::TerminateStep));
            quote! {
                let #future = async move {
                    let (#bound, #bound_context) = #ending.parts();
                    #borrowed
                    Self::#name(#passed, #(#arguments),*).await;
                };
                #pending
            }
        } else {
            quote! {
                #ending.run(|#bound, #bound_context| {
                    Self::#name(#passed, #(#arguments),*)
                })
            }
        };
        Method {
            signature: quote! {
                fn terminate(#ending: #path::handler::TerminateCall<Self>) -> #path::handler::TerminateStep
            },
            body,
        }
    }

    /// Returns the value for an argument of `message`, `info` or `terminate`.
    fn argument(&self, hook: &Hook, argument: &Argument) -> TokenStream {
        let path = &self.path;
        let context = local("context");
        match argument.role {
            Role::Payload => local("payload").to_token_stream(),
            Role::Extractor => {
                let ty = hook.with_lifetimes(&argument.ty, &elided_lifetime());
                let route = self.route_in(hook);
                quote! {
                    <#ty as #path::extract::FromConnection<'_, Self, #route>>
                        ::from_connection(#context)
                }
            }
        }
    }

    /// Converts the return value of a hook for the connection: `<Output as Trait>::method(call)`.
    ///
    /// The type is written out so that a wrong one is reported in the signature. If it cannot be
    /// written outside of one, it is inferred, and the call has the span of the hook.
    fn converted(&self, hook: &Hook, call: impl FnOnce(Span) -> TokenStream) -> TokenStream {
        let output = hook.output();
        if is_never(&output) {
            return call(Span::mixed_site());
        }
        let (declared, conversion, method) = self.output_trait(hook);
        if let Some(unnamed) = contains_impl(&output) {
            let place = located(span_of(&unnamed));
            let call = call(place);
            let method = respanned(quote!(<_ as #conversion>::#method), place);
            return quote_spanned!(place=> #method(#call));
        }
        let call = call(Span::mixed_site());
        let ty = hook.with_lifetimes(&output, &elided_lifetime());
        let converted = quote!(<#ty as #conversion>::#method(#call));
        match likely_mistakes::of_output(hook) {
            Some(_) => quote!({ #declared #converted }),
            None => converted,
        }
    }
}

/// Returns the name of a hook for a call.
fn hook_name(hook: &Hook, place: Span) -> Ident {
    let mut name = hook.signature.ident.clone();
    name.set_span(place);
    name
}

/// Passes on the future of a hook. All tokens have the span of the hook's name, at which the
/// compiler then reports a future that is not `Send`.
fn pending(hook: &Hook, of: &TokenStream) -> TokenStream {
    let future = local("future");
    respanned(quote!(#of::pending(#future)), located(hook.span()))
}

/// Returns a pattern that does not bind an unused value.
fn binding_if_used(name: &Ident, used: bool) -> TokenStream {
    if used { quote!(#name) } else { quote!(_) }
}
