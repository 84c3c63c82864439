//! Rules on how a hook is declared: its keywords, receiver and return type.

use quote::quote;
use syn::{GenericParam, ReturnType, Safety, Type, TypeParamBound};

use crate::errors::Errors;
use crate::handler::ast::{Hook, Kind, Passing, name_of, unwrapped};

/// A hook is a `fn` or an `async fn`, and nothing more special.
pub fn hook_is_a_plain_function(hook: &Hook, errors: &Errors) {
    let signature = &hook.signature;
    let report = |tokens: &dyn quote::ToTokens, keyword: &str| {
        errors.push(
            tokens,
            format_args!(
                "a hook is a `fn` or an `async fn`\nhelp: remove `{keyword}` from `{}`",
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

/// The library calls a hook with what the connection has, so there is nobody to choose a type.
pub fn hook_has_no_generics(hook: &Hook, errors: &Errors) {
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
    for argument in &hook.arguments {
        if matches!(unwrapped(&argument.ty), Type::ImplTrait(_)) {
            errors.push(
                &argument.ty,
                format_args!(
                    "`{}` is called by the library, which cannot choose a type for `impl Trait`\n\
                     help: name the type",
                    hook.kind
                ),
            );
        }
    }
}

/// `init` makes the handler, `message` and `info` borrow it, `terminate` may consume it.
pub fn receiver_suits_the_hook(hook: &Hook, errors: &Errors) {
    let name = &hook.signature.ident;
    match (hook.kind, &hook.receiver) {
        (Kind::Init, Some(receiver)) => errors.push(
            &receiver.tokens,
            "`init` makes the handler, so there is no `self` yet\n\
             help: remove it, and return `Self`",
        ),
        (Kind::Message | Kind::Info, None) => errors.push(
            name,
            format_args!(
                "`{name}` is called on the handler\nhelp: begin its arguments with `&mut self`"
            ),
        ),
        (Kind::Message | Kind::Info, Some(receiver)) if receiver.passing != Passing::Reference => {
            errors.push(
                &receiver.tokens,
                format_args!(
                    "`{name}` is called many times, so it cannot consume the handler\n\
                     help: take `&mut self`"
                ),
            );
        }
        (Kind::Terminate, None) => errors.push(
            name,
            "`terminate` is called on the handler\n\
             help: begin its arguments with `self` or `&mut self`",
        ),
        (Kind::Terminate, Some(receiver)) if receiver.passing == Passing::Other => {
            errors.push(&receiver.tokens, "`terminate` takes `self` or `&mut self`");
        }
        _ => {}
    }
}

/// `init` gives the handler back.
pub fn init_returns_the_handler(hook: &Hook, errors: &Errors) {
    if hook.kind == Kind::Init && is_unit(&hook.output()) {
        errors.push(
            &hook.signature.ident,
            "`init` returns nothing, but it makes the handler\n\
             help: write `-> Self`, or `-> Result<Self, Refusal>` to be able to refuse the \
             connection",
        );
    }
}

/// Nobody is left to read what `terminate` would say.
pub fn terminate_returns_nothing(hook: &Hook, errors: &Errors) {
    if let (Kind::Terminate, ReturnType::Type(_, output)) = (hook.kind, &hook.signature.output)
        && !is_unit(output)
    {
        errors.push(
            output,
            "`terminate` runs after the connection has ended, so nothing can be sent\n\
             help: remove the return type",
        );
    }
}

/// A reply is queued after the call, so it cannot borrow from the handler.
pub fn reply_is_owned(hook: &Hook, errors: &Errors) {
    let output = hook.output();
    if let (Kind::Message | Kind::Info, Type::Reference(reference)) =
        (hook.kind, unwrapped(&output))
        && reference
            .lifetime
            .as_ref()
            .is_none_or(|lifetime| lifetime.ident != "static")
    {
        let owned = match &*name_of(&reference.elem) {
            "str" => "`String` or `&'static str`",
            _ => "an owned type",
        };
        errors.push(
            &output,
            format_args!(
                "a reply outlives the call of `{}`\nhelp: return {owned}",
                hook.kind
            ),
        );
    }
}

/// The library awaits an `async fn`, not a future that a `fn` returns.
pub fn future_is_written_as_async(hook: &Hook, errors: &Errors) {
    let output = hook.output();
    let is_future = match unwrapped(&output) {
        Type::ImplTrait(future) => future.bounds.iter().any(|bound| {
            matches!(bound, TypeParamBound::Trait(bound)
                if bound.path.segments.last().is_some_and(|last| last.ident == "Future"))
        }),
        ty => ["Pin", "BoxFuture", "LocalBoxFuture"].contains(&&*name_of(ty)),
    };
    if is_future {
        errors.push(
            &output,
            format_args!(
                "`{0}` returns a future\nhelp: write `async fn {0}` instead",
                hook.kind
            ),
        );
    }
}

fn is_unit(ty: &Type) -> bool {
    matches!(unwrapped(ty), Type::Tuple(tuple) if tuple.elems.is_empty())
}
