//! The traits that convert payloads and return types: those of the library, or traits of the
//! expansion that require them and show a message for a likely mistake.

use proc_macro2::TokenStream;
use quote::quote;

use super::Expansion;
use super::arguments::on_unimplemented;
use crate::handler::ast::{Hook, HookKind};
use crate::handler::check::likely_mistakes;

impl Expansion<'_> {
    /// Returns the required declarations, and the trait whose `from_message` decodes the payload.
    pub(crate) fn payload_trait(&self, hook: &Hook) -> (TokenStream, TokenStream) {
        let path = &self.path;
        let real = quote!(#path::decode::FromMessage);
        let Some(mistake) = likely_mistakes::of_payload(hook) else {
            return (TokenStream::new(), real);
        };
        let on_unimplemented = on_unimplemented(&mistake);
        let signature = quote! {
            fn from_message(
                payload: #path::decode::Payload<'_>,
            ) -> ::core::result::Result<Self, #path::decode::DecodeError>
        };
        let declared = quote! {
            #on_unimplemented
            trait MessagePayload: ::core::marker::Sized { #signature; }
            #[diagnostic::do_not_recommend]
            impl<T: #real> MessagePayload for T {
                #signature { <T as #real>::from_message(payload) }
            }
        };
        (declared, quote!(MessagePayload))
    }

    /// Returns the required declarations, and the trait and the method that convert the return
    /// value.
    pub(crate) fn output_trait(&self, hook: &Hook) -> (TokenStream, TokenStream, TokenStream) {
        let path = &self.path;
        let (real, method) = match hook.kind {
            HookKind::Init => (quote!(#path::handler::IntoInit<Self>), quote!(into_init)),
            _ => (quote!(#path::reply::IntoReply), quote!(into_reply)),
        };
        let Some(mistake) = likely_mistakes::of_output(hook) else {
            return (TokenStream::new(), real, method);
        };
        let on_unimplemented = on_unimplemented(&mistake);
        let (parameters, arguments, real, result) = match hook.kind {
            HookKind::Init => (
                quote!(H,),
                quote!(<Self>),
                quote!(#path::handler::IntoInit<H>),
                quote!(::core::result::Result<H, #path::error::Refusal>),
            ),
            _ => (quote!(), quote!(), real, quote!(#path::reply::Reply)),
        };
        let declared = quote! {
            #on_unimplemented
            trait HookOutput<#parameters>: ::core::marker::Sized {
                fn #method(self) -> #result;
            }
            #[diagnostic::do_not_recommend]
            impl<#parameters T: #real> HookOutput<#parameters> for T {
                fn #method(self) -> #result {
                    <T as #real>::#method(self)
                }
            }
        };
        (declared, quote!(HookOutput #arguments), method)
    }
}
