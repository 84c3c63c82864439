//! The traits that convert payloads and return types: those of the library, or traits of the
//! expansion that require them and have a message for a doubt.

use proc_macro2::TokenStream;
use quote::quote;

use super::Expansion;
use super::arguments::said;
use crate::handler::ast::{Hook, Kind};
use crate::handler::check::doubts;

impl Expansion<'_> {
    /// Returns the required declarations, and the trait whose `from_message` decodes the payload.
    pub fn payload_trait(&self, hook: &Hook) -> (TokenStream, TokenStream) {
        let path = &self.path;
        let real = quote!(#path::decode::FromMessage);
        let Some(doubt) = doubts::of_payload(hook) else {
            return (TokenStream::new(), real);
        };
        let said = said(&doubt);
        let signature = quote! {
            fn from_message(
                payload: #path::decode::Payload<'_>,
            ) -> ::core::result::Result<Self, #path::decode::DecodeError>
        };
        let declared = quote! {
            #said
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
    pub fn output_trait(&self, hook: &Hook) -> (TokenStream, TokenStream, TokenStream) {
        let path = &self.path;
        let (real, method) = match hook.kind {
            Kind::Init => (quote!(#path::handler::IntoInit<Self>), quote!(into_init)),
            _ => (quote!(#path::reply::IntoReply), quote!(into_reply)),
        };
        let Some(doubt) = doubts::of_output(hook) else {
            return (TokenStream::new(), real, method);
        };
        let said = said(&doubt);
        let (parameters, arguments, real, result) = match hook.kind {
            Kind::Init => (
                quote!(H,),
                quote!(<Self>),
                quote!(#path::handler::IntoInit<H>),
                quote!(::core::result::Result<H, #path::error::Refusal>),
            ),
            _ => (quote!(), quote!(), real, quote!(#path::reply::Reply)),
        };
        let declared = quote! {
            #said
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
