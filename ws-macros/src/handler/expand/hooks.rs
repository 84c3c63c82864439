//! The methods of the implementation: what stands between the connection and a hook.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::Type;

use super::{Expansion, at, located, span_of};
use crate::handler::ast::{Argument, Hook, Kind, Passing, Role, unwrapped};

impl Expansion<'_> {
    /// `init`: each argument is taken from the request, then the hook is called.
    pub fn init(&self, hook: &Hook) -> TokenStream {
        let Self { path, route, .. } = self;
        let opening = local("opening");
        let names: Vec<_> = (0..hook.arguments.len())
            .map(|place| local(&format!("argument_{place}")))
            .collect();
        let types = hook
            .arguments
            .iter()
            .map(|argument| hook.with_lifetimes(&argument.ty, "'_"));
        let awaited = hook.is_async().then(|| quote!(.await));
        let made = converted(
            hook,
            &quote!(#path::handler::IntoInit),
            &quote!(<Self>),
            |place| quote_spanned!(place=> Self::init(#(#names),*)#awaited),
        );
        let opening_is_used = if names.is_empty() {
            quote!(_)
        } else {
            quote!(#opening)
        };
        let future = quote_spanned! {located(hook.span())=>
            impl ::core::future::Future<
                Output = ::core::result::Result<Self, #path::error::Refusal>
            > + ::core::marker::Send
        };
        quote! {
            fn init(#opening_is_used: &#path::extract::Opening<Self>) -> #future {
                async move {
                    #(let #names = <#types as #path::extract::FromHandshake<'_, Self, #route>>
                        ::from_handshake(#opening).await?;)*
                    #made
                }
            }
        }
    }

    /// `message`: the payload is decoded, then the hook is called.
    pub fn message(&self, hook: &Hook) -> TokenStream {
        let path = &self.path;
        let Names {
            call,
            payload,
            incoming,
            error,
            ..
        } = Names::new();
        let ty = hook
            .payload()
            .map(|payload| hook.with_lifetimes(&payload.ty, "'_"));
        let step = self.step(hook);
        quote! {
            fn message(
                #call: #path::handler::Call<'_, Self>,
                #incoming: #path::decode::Payload<'_>,
            ) -> #path::handler::Step<Self> {
                let #payload = match <#ty as #path::decode::FromMessage>::from_message(#incoming) {
                    ::core::result::Result::Ok(#payload) => #payload,
                    ::core::result::Result::Err(#error) => return #call.undecodable(#error),
                };
                #step
            }
        }
    }

    /// `info`: the next notification is taken, if there is one, then the hook is called.
    pub fn info(&self, hook: &Hook) -> TokenStream {
        let path = &self.path;
        let Names { call, payload, .. } = Names::new();
        let ty = hook
            .payload()
            .map(|value| hook.with_lifetimes(&value.ty, "'_"));
        let step = self.step(hook);
        quote! {
            fn info(
                #call: #path::handler::Call<'_, Self>,
            ) -> ::core::option::Option<#path::handler::Step<Self>> {
                let #payload = #call.context().next_notification::<#ty>()?;
                ::core::option::Option::Some(#step)
            }
        }
    }

    /// Calls `message` or `info`, in place or as a future.
    fn step(&self, hook: &Hook) -> TokenStream {
        let path = &self.path;
        let Names {
            call,
            this,
            context,
            taken,
            outcome,
            future,
            ..
        } = Names::new();
        let arguments: Vec<_> = hook
            .arguments
            .iter()
            .map(|argument| self.argument(hook, argument))
            .collect();
        let name = &hook.signature.ident;
        let awaited = hook.is_async().then(|| quote!(.await));
        let reply = converted(hook, &quote!(#path::reply::IntoReply), &quote!(), |place| {
            let name = Ident::new(&name.to_string(), place);
            quote_spanned!(place=> Self::#name(#this, #(#arguments),*)#awaited)
        });
        if !hook.is_async() {
            let context = bound_if_used(&context, hook.extractors().next().is_some());
            return quote!(#call.now(move |#this, #context| #reply));
        }
        let pending = pending(hook, &quote!(#path::handler::Step));
        quote! {{
            let mut #taken = #call.take();
            let #future = async move {
                let #outcome = {
                    let (#this, #context) = #path::handler::Taken::parts(&mut #taken);
                    #path::handler::guard(#context, async move { #reply }).await
                };
                #taken.finish(#outcome)
            };
            #pending
        }}
    }

    /// `terminate`: the hook is called with the handler, by value or lent.
    pub fn terminate(&self, hook: &Hook) -> TokenStream {
        let path = &self.path;
        let Names {
            this,
            context,
            reason,
            ending,
            future,
            ..
        } = Names::new();
        let arguments: Vec<_> = hook
            .arguments
            .iter()
            .map(|argument| self.argument(hook, argument))
            .collect();
        let by_value = hook
            .receiver
            .as_ref()
            .is_none_or(|receiver| receiver.passing == Passing::Value);
        let (bound, passed) = if by_value {
            (quote!(#this), quote!(#this))
        } else {
            (quote!(mut #this), quote!(&mut #this))
        };
        let takes_reason = hook
            .arguments
            .iter()
            .any(|argument| argument.role == Role::Reason);
        let reason = bound_if_used(&reason, takes_reason);
        let context = bound_if_used(&context, hook.extractors().next().is_some());
        let body = if hook.is_async() {
            // The context of the future is its own; the arguments borrow from it.
            let borrowed = hook
                .extractors()
                .next()
                .map(|_| quote!(let #context = &#context;));
            let pending = pending(hook, &quote!(#path::handler::Finish));
            quote! {
                let #future = async move {
                    let (#bound, #reason, #context) = #ending.parts();
                    #borrowed
                    Self::terminate(#passed, #(#arguments),*).await;
                };
                #pending
            }
        } else {
            quote! {
                #ending.now(|#bound, #reason, #context| {
                    Self::terminate(#passed, #(#arguments),*)
                })
            }
        };
        quote! {
            fn terminate(#ending: #path::handler::Ending<Self>) -> #path::handler::Finish {
                #body
            }
        }
    }

    /// The value for an argument of `message`, `info` or `terminate`.
    fn argument(&self, hook: &Hook, argument: &Argument) -> TokenStream {
        let Self { path, route, .. } = self;
        let Names {
            payload,
            reason,
            context,
            ..
        } = Names::new();
        match argument.role {
            Role::Payload => quote!(#payload),
            Role::Reason => quote!(#reason),
            Role::Extractor => {
                let ty = hook.with_lifetimes(&argument.ty, "'_");
                quote! {
                    <#ty as #path::extract::FromConnection<'_, Self, #route>>
                        ::from_connection(#context)
                }
            }
        }
    }
}

/// A name of the expansion's own. Hygiene keeps it apart from the user's values, yet not from
/// constants and unit structs, which a binding of their name would be a pattern for.
fn local(text: &str) -> Ident {
    format_ident!("__{text}", span = Span::mixed_site())
}

/// The local names of the expansion.
struct Names {
    call: Ident,
    context: Ident,
    ending: Ident,
    error: Ident,
    future: Ident,
    incoming: Ident,
    outcome: Ident,
    payload: Ident,
    reason: Ident,
    taken: Ident,
    this: Ident,
}

impl Names {
    fn new() -> Self {
        Self {
            call: local("call"),
            context: local("context"),
            ending: local("ending"),
            error: local("error"),
            future: local("future"),
            incoming: local("incoming"),
            outcome: local("outcome"),
            payload: local("payload"),
            reason: local("reason"),
            taken: local("taken"),
            this: local("this"),
        }
    }
}

/// Hands the future of a hook on. All of it stands at the name of the hook, which the
/// compiler then blames for a future that is not `Send`.
fn pending(hook: &Hook, of: &TokenStream) -> TokenStream {
    let Names { future, .. } = Names::new();
    at(&quote!(#of::pending(#future)), located(hook.span()))
}

/// The value of a hook, turned into what the connection takes: `<Output as Trait>::method(call)`.
///
/// The type is written out so that a wrong one is reported in the signature; where it
/// cannot be written outside of one, it is inferred, and the call is put at its place.
fn converted(
    hook: &Hook,
    conversion: &TokenStream,
    of: &TokenStream,
    call: impl FnOnce(Span) -> TokenStream,
) -> TokenStream {
    let method = if hook.kind == Kind::Init {
        quote!(into_init)
    } else {
        quote!(into_reply)
    };
    let output = hook.output();
    let is_nameable = !matches!(unwrapped(&output), Type::ImplTrait(_) | Type::Never(_));
    if is_nameable {
        let call = call(Span::mixed_site());
        let output = hook.with_lifetimes(&output, "'_");
        quote!(<#output as #conversion #of>::#method(#call))
    } else {
        let place = located(span_of(&output));
        let call = call(place);
        quote_spanned!(place=> #conversion::#method(#call))
    }
}

/// A pattern that does not bind what is not used.
fn bound_if_used(name: &Ident, used: bool) -> TokenStream {
    if used { quote!(#name) } else { quote!(_) }
}
