//! Checks of types that are written with a lifetime which ends with the call. A type of the library
//! must own its data, but the compiler's own message would be about lifetimes; and only the
//! compiler knows whether the type is one of the library.
//!
//! If such a check is an error, the compiler does not check lifetimes in the function or constant
//! that contains it.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::{ReturnType, Type};

use super::arguments::on_unimplemented;
use super::names::local;
use super::{Expansion, located, span_of};
use crate::handler::ast::{Hook, elided_lifetime};
use crate::handler::check::likely_mistakes::{self, LikelyMistake};

impl Expansion<'_> {
    /// Checks the arguments of `init`. The closure is never called, so a constant may contain the
    /// check too.
    pub(crate) fn borrowing_arguments(&self, hook: &Hook) -> TokenStream {
        let path = &self.path;
        let checks = likely_mistakes::borrowing_arguments(hook).map(|argument| {
            let ty = hook.with_lifetimes(&argument.ty, &elided_lifetime());
            let (borrowing, ownership) = (local("borrowing"), local("ownership"));
            let check = check(&argument.ty, &quote!(OwnedArgument<#ty>));
            quote! {
                let _ = || {
                    use #path::extract::{OtherType as _, OwnedArgument};
                    let #borrowing = #path::extract::Borrowing::<#ty>::new();
                    let #ownership = #borrowing.in_request();
                    #check(#ownership)
                };
            }
        });
        checks.collect()
    }

    /// Checks the payload and the return type of a hook.
    pub(crate) fn borrowing(&self, hook: &Hook) -> TokenStream {
        let ReturnType::Type(_, output) = &hook.signature.output else {
            return self.borrowing_message(hook);
        };
        let message = self.borrowing_message(hook);
        let reply = likely_mistakes::borrowing_reply(hook);
        let reply = reply
            .map(|(text, mistake)| self.ownership_check(hook, output, "reply", text, &mistake));
        quote!(#message #reply)
    }

    fn borrowing_message(&self, hook: &Hook) -> TokenStream {
        let message = likely_mistakes::borrowing_message(hook);
        let message =
            message.map(|(ty, mistake)| self.ownership_check(hook, ty, "message", ty, &mistake));
        message.unwrap_or_default()
    }

    fn ownership_check(
        &self,
        hook: &Hook,
        ty: &Type,
        part: &str,
        reported: &Type,
        mistake: &LikelyMistake,
    ) -> TokenStream {
        let path = &self.path;
        let on_unimplemented = on_unimplemented(mistake);
        let check = check(reported, &quote!(MustBeOwned));
        let ty = hook.with_lifetimes(ty, &elided_lifetime());
        let (function, ownership) = (format_ident!("in_{part}"), local("ownership"));
        quote! {
            {
                #on_unimplemented
                trait MustBeOwned: ::core::marker::Sized {
                    fn check(self) {}
                }
                #[diagnostic::do_not_recommend]
                impl MustBeOwned for #path::extract::NotBorrowed {}
                use #path::extract::OtherType as _;
                let #ownership = #path::extract::Borrowing::<#ty>::new().#function();
                #check(#ownership);
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
