//! Types that are probably wrong, as far as their names show.
//!
//! A name decides nothing: the compiler does, by the trait that the type must implement. A likely
//! mistake adds a message to that trait.

use syn::{ReturnType, Type};

use super::arguments::{borrows_when_decoded, must_own_message};
use super::first_argument::{is_likely_extractor, is_request_extractor, payload_first_message};
use super::names::is_payload;
use super::output::{borrowed_text, owned};
use crate::handler::ast::{
    Argument, Hook, HookKind, Role, contains_impl, name_of, parameters_of, unwrapped,
};
use crate::source::written;

/// The message that the compiler should show if this type lacks the trait that the hook requires.
pub(crate) struct LikelyMistake {
    pub message: String,
    pub label: &'static str,
    /// In `terminate`: also require a type that `message` and `info` take.
    pub only_in_terminate: bool,
}

impl LikelyMistake {
    fn new(message: String, label: &'static str) -> Self {
        Self {
            message,
            label,
            only_in_terminate: false,
        }
    }
}

/// Returns the arguments of `init` that are written with a lifetime which ends with the call. Types
/// of the library must own their data; the compiler's own message would be about lifetimes.
pub(crate) fn borrowing_arguments(hook: &Hook) -> impl Iterator<Item = &Argument> {
    hook.arguments.iter().filter(|argument| {
        let ty = &argument.ty;
        let may_borrow = hook.kind != HookKind::Init
            || argument.has_mistakes
            || contains_impl(ty).is_some()
            || matches!(unwrapped(ty), Type::Reference(_));
        let mut parts = parameters_of(ty).into_iter();
        !may_borrow && parts.any(|part| borrows_when_decoded(hook, part))
    })
}

/// Returns the same for a message, which the hook must own.
pub(crate) fn borrowing_message(hook: &Hook) -> Option<(&Type, LikelyMistake)> {
    let payload = hook.payload().filter(|payload| !payload.has_mistakes)?;
    let ty = &payload.ty;
    let is_value = hook.kind == HookKind::Message && !matches!(unwrapped(ty), Type::Reference(_));
    (is_value && borrows_when_decoded(hook, ty)).then(|| {
        (
            ty,
            LikelyMistake::new(must_own_message(hook, ty), "borrowed"),
        )
    })
}

/// Returns the text in a reply that borrows from the handler: the reply is queued after the call.
pub(crate) fn borrowing_reply(hook: &Hook) -> Option<(&Type, LikelyMistake)> {
    let ReturnType::Type(_, output) = &hook.signature.output else {
        return None;
    };
    let is_reply = matches!(hook.kind, HookKind::Message | HookKind::Info);
    if !is_reply || hook.output_has_mistakes || contains_impl(output).is_some() {
        return None;
    }
    let text = borrowed_text(hook, output)?;
    let instead = match unwrapped(output) {
        Type::Reference(_) => "`String` or `&'static str`".to_owned(),
        _ => format!("`{}`", written(owned(hook, output))),
    };
    let message = format!(
        "the reply of `{}` must own its data, because it is sent after the call\nhelp: return {instead}",
        hook.kind
    );
    Some((text, LikelyMistake::new(message, "borrowed")))
}

/// Returns a likely mistake if the first argument of `message` is an extractor, by its name.
pub(crate) fn of_payload(hook: &Hook) -> Option<LikelyMistake> {
    let payload = hook.payload()?;
    is_likely_extractor(hook.kind, &payload.ty)
        .then(|| LikelyMistake::new(payload_first_message(hook), "not a payload"))
}

/// Whether an argument may be the payload in the wrong position: this is reported at the first
/// argument.
pub(crate) fn may_be_payload(hook: &Hook, argument: &Argument) -> bool {
    is_payload(&argument.ty) && of_payload(hook).is_some()
}

/// Returns a likely mistake in an extractor that belongs to another hook or position, by its name.
pub(crate) fn of_extractor(hook: &Hook, argument: &Argument) -> Option<LikelyMistake> {
    if argument.role != Role::Extractor {
        return None;
    }
    let name = name_of(&argument.ty);
    if hook.kind != HookKind::Init && is_request_extractor(&argument.ty) {
        return Some(LikelyMistake::new(
            format!(
                "`{name}` is available only in `init`, because a connection does not keep its \
                 request\n\
                 help: take it in `init`, and store the values that `{}` needs in a field",
                hook.kind
            ),
            "an argument of `init`",
        ));
    }
    if name == "CloseReason" && hook.kind != HookKind::Terminate {
        return Some(LikelyMistake::new(
            format!(
                "`CloseReason` is available only in `terminate`: while `{}` runs, the connection \
                 has not \
                 ended",
                hook.kind
            ),
            "an argument of `terminate`",
        ));
    }
    if let Some(mistake) = of_passing(hook, &argument.ty) {
        return Some(mistake);
    }
    let is_reason = |other: &&Argument| name_of(&other.ty) == "CloseReason";
    let first = hook.extractors().find(is_reason);
    if name == "CloseReason" && !first.is_some_and(|first| std::ptr::eq(first, argument)) {
        return Some(LikelyMistake {
            only_in_terminate: true,
            ..LikelyMistake::new(
                "`terminate` takes only one `CloseReason`\nhelp: remove this one".to_owned(),
                "a second reason",
            )
        });
    }
    let takes_one = matches!(hook.kind, HookKind::Message | HookKind::Info);
    if takes_one && is_payload(&argument.ty) {
        let advice = match hook.kind {
            HookKind::Message => {
                "for both text and binary messages, take one `Message`; for several values in one \
                 message, take `Json<T>` of a struct"
            }
            _ => "for several values, notify with a struct or a tuple",
        };
        return Some(LikelyMistake::new(
            format!(
                "`{}` takes one value, its first argument after `self`; `{name}` would be \
                 a second one\n\
                 help: {advice}",
                hook.kind
            ),
            "a second value",
        ));
    }
    None
}

/// Returns a likely mistake in an extractor that is taken by value instead of by reference, or the
/// reverse, by its name.
fn of_passing(hook: &Hook, ty: &Type) -> Option<LikelyMistake> {
    let name = name_of(ty);
    let inner = match unwrapped(ty) {
        Type::Reference(reference) => Some(&*reference.elem),
        _ => None,
    };
    let advice = match (&*name, inner) {
        ("Socket", None) => "take `&Socket<Self>`".to_owned(),
        ("Hub" | "Handshake", None) => format!("take `&{name}`"),
        (
            "Path" | "Query" | "State" | "Session" | "Page" | "Bearer" | "CloseReason",
            Some(inner),
        ) => {
            format!("take `{}`, without the `&`", written(inner))
        }
        _ => return None,
    };
    let message = format!(
        "`{}` cannot be an argument of `{}`\nhelp: {advice}",
        written(ty),
        hook.kind
    );
    Some(LikelyMistake::new(message, "not an argument of a hook"))
}

/// Returns a likely mistake in a return type that is a future or borrows, by its name.
pub(crate) fn of_output(hook: &Hook) -> Option<LikelyMistake> {
    let output = hook.output();
    if ["Pin", "BoxFuture", "LocalBoxFuture"].contains(&&*name_of(&output)) {
        let message = format!(
            "`{0}` returns a future\nhelp: write `async fn {0}` instead",
            hook.kind
        );
        return Some(LikelyMistake::new(message, "a future"));
    }
    let is_reference = matches!(unwrapped(&output), Type::Reference(_));
    let is_other = is_reference && borrowed_text(hook, &output).is_none();
    (is_other && hook.kind != HookKind::Init && hook.borrows(&output)).then(|| {
        let message = format!(
            "the reply of `{}` must own its data, because it is sent after the call\nhelp: return an owned type",
            hook.kind
        );
        LikelyMistake::new(message, "borrowed")
    })
}
