//! Rules for the declaration of a hook: its keywords, generics and receiver.

use quote::quote;
use syn::{GenericParam, Safety};

use crate::errors::Errors;
use crate::handler::ast::{Hook, HookKind, Passing};

/// Checks that a hook must be a `fn` or an `async fn`, without other keywords.
pub(crate) fn hook_is_a_plain_function(hook: &Hook, errors: &Errors) {
    let signature = &hook.signature;
    let report = |tokens: &dyn quote::ToTokens, keyword: &str| {
        errors.push(
            tokens,
            format_args!(
                "a hook must be a `fn` or an `async fn`\nhelp: remove `{keyword}` from `{}`",
                hook.kind
            ),
        );
    };
    if let Safety::Unsafe(keyword) = &signature.safety {
        report(keyword, "unsafe");
    }
    if let Some(keyword) = &signature.constness {
        report(keyword, "const");
    }
    if let Some(abi) = &signature.abi {
        report(abi, &quote!(#abi).to_string());
    }
}

/// Checks that a hook has no generics: the library calls it, so no caller could choose a type.
pub(crate) fn hook_has_no_generics(hook: &Hook, errors: &Errors) {
    for parameter in &hook.signature.generics.params {
        if !matches!(parameter, GenericParam::Lifetime(_)) {
            errors.push(
                parameter,
                format_args!(
                    "`{}` is called by the library, which cannot choose a type for it\n\
                     help: name the type, or make the handler generic, `impl<T> Room<T> {{ … }}`",
                    hook.kind
                ),
            );
        }
    }
}

/// Checks the receiver: `init` creates the handler, `message` and `info` borrow it, `terminate` may
/// consume it.
pub(crate) fn receiver_fits_the_hook(hook: &Hook, errors: &Errors) {
    let name = &hook.signature.ident;
    match (hook.kind, &hook.receiver) {
        (HookKind::Init, Some(receiver)) => errors.push(
            &receiver.tokens,
            "`init` creates the handler, so there is no `self` yet\n\
             help: remove it, and return `Self`",
        ),
        (HookKind::Message | HookKind::Info, None) => errors.push(
            name,
            format_args!(
                "`{name}` must be a method of the handler\nhelp: add `&mut self` as its first \
                 argument"
            ),
        ),
        (HookKind::Message | HookKind::Info, Some(receiver))
            if matches!(receiver.passing, Passing::Value | Passing::Other) =>
        {
            errors.push(
                &receiver.tokens,
                format_args!(
                    "`{name}` is called many times, so it cannot consume the handler\n\
                     help: take `&mut self`"
                ),
            );
        }
        (HookKind::Terminate, None) => errors.push(
            name,
            "`terminate` must be a method of the handler\n\
             help: add `self` or `&mut self` as its first argument",
        ),
        (HookKind::Terminate, Some(receiver)) if receiver.passing == Passing::Other => {
            errors.push(
                &receiver.tokens,
                "`terminate` must take `self` or `&mut self`",
            );
        }
        _ => {}
    }
}
