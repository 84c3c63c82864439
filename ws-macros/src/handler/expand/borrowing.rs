//! Checks of types that are written with a lifetime which ends with the call. A type of the library
//! must own its data, but the compiler's own message would be about lifetimes; and only the
//! compiler knows whether the type is one of the library.
//!
//! If such a check is an error, the compiler does not check lifetimes in the function or constant
//! that contains it.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::{ReturnType, Type};

use super::arguments::said;
use super::names::local;
use super::{Expansion, located, span_of};
use crate::handler::ast::{Hook, elided};
use crate::handler::check::doubts::{self, Doubt};

impl Expansion<'_> {
    /// Checks the arguments of `init`. The closure is never called, so a constant may contain the
    /// check too.
    pub fn borrowing_arguments(&self, hook: &Hook) -> TokenStream {
        let path = &self.path;
        let asked = doubts::borrowing_arguments(hook).map(|argument| {
            let ty = hook.with_lifetimes(&argument.ty, &elided());
            let (borrowing, answer) = (local("borrowing"), local("answer"));
            let check = check(&argument.ty, &quote!(OwnedArgument<#ty>));
            quote! {
                let _ = || {
                    use #path::extract::{OtherType as _, OwnedArgument};
                    let #borrowing = #path::extract::Borrowing::<#ty>::new();
                    let #answer = #borrowing.in_request();
                    #check(#answer)
                };
            }
        });
        asked.collect()
    }

    /// Checks the payload and the return type of a hook.
    pub fn borrowing(&self, hook: &Hook) -> TokenStream {
        let ReturnType::Type(_, output) = &hook.signature.output else {
            return self.borrowing_message(hook);
        };
        let message = self.borrowing_message(hook);
        let reply = doubts::borrowing_reply(hook);
        let reply = reply.map(|(text, doubt)| self.ask(hook, output, "reply", text, &doubt));
        quote!(#message #reply)
    }

    fn borrowing_message(&self, hook: &Hook) -> TokenStream {
        let message = doubts::borrowing_message(hook);
        let message = message.map(|(ty, doubt)| self.ask(hook, ty, "message", ty, &doubt));
        message.unwrap_or_default()
    }

    fn ask(&self, hook: &Hook, ty: &Type, what: &str, blamed: &Type, doubt: &Doubt) -> TokenStream {
        let path = &self.path;
        let said = said(doubt);
        let check = check(blamed, &quote!(MustBeOwned));
        let ty = hook.with_lifetimes(ty, &elided());
        let (function, answer) = (format_ident!("in_{what}"), local("answer"));
        quote! {
            {
                #said
                trait MustBeOwned: ::core::marker::Sized {
                    fn check(self) {}
                }
                #[diagnostic::do_not_recommend]
                impl MustBeOwned for #path::extract::NotBorrowed {}
                use #path::extract::OtherType as _;
                let #answer = #path::extract::Borrowing::<#ty>::new().#function();
                #check(#answer);
            }
        }
    }
}

/// Returns the function `check` of a trait, for a check of a type, with the span of the type.
fn check(ty: &Type, of: &TokenStream) -> TokenStream {
    let first = located(span_of(ty));
    let last = ty.to_token_stream().into_iter().last();
    let last = last.map_or(first, |last| located(last.span()));
    let check = Ident::new("check", last);
    quote_spanned!(first=> <_ as #of>::#check)
}
