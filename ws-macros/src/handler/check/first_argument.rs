//! The first argument of `message` and `info`: the required type, and types that are probably wrong
//! there, as far as names show.

use syn::Type;

use super::names::{is_for_every_hook, is_payload};
use crate::handler::ast::{Hook, HookKind, name_of, parameters_of, unwrapped};

/// Returns a description of the payload of `message` and `info`, and an example of it.
pub(crate) fn payload_description(kind: HookKind) -> Option<(&'static str, &'static str)> {
    match kind {
        HookKind::Message => Some((
            "message",
            "`text: String`, `bytes: Bytes`, `message: Message` or `Json(value): Json<T>`",
        )),
        HookKind::Info => Some((
            "notification",
            "an argument of your own type, such as `event: Event`",
        )),
        HookKind::Init | HookKind::Terminate => None,
    }
}

/// Returns the message about another argument in the first position.
pub(crate) fn payload_first_message(hook: &Hook) -> String {
    let (payload, example) = payload_description(hook.kind).unwrap_or_default();
    let mut extractors = hook.extractors();
    let later = extractors.find(|argument| is_payload(&argument.ty));
    let advice = match later {
        Some(payload) => format!("move the `{}` to the front", name_of(&payload.ty)),
        None => format!("before this one, add {example}"),
    };
    format!(
        "the first argument of `{}` after `self` must be the {payload}\nhelp: {advice}",
        hook.kind
    )
}

/// Whether a type in the first position is probably meant as an extractor.
pub(crate) fn is_likely_extractor(kind: HookKind, ty: &Type) -> bool {
    let is_reference = matches!(unwrapped(ty), Type::Reference(_));
    let name = name_of(ty);
    match kind {
        HookKind::Message => {
            is_for_every_hook(ty) || is_request_extractor(ty) || name == "CloseReason"
        }
        HookKind::Info => {
            (is_reference && ["Socket", "Hub"].contains(&&*name))
                || (["Socket", "State"].contains(&&*name) && !parameters_of(ty).is_empty())
                || name == "CloseReason"
        }
        HookKind::Init | HookKind::Terminate => false,
    }
}

/// Whether a type is an extractor that reads the request.
pub(crate) fn is_request_extractor(ty: &Type) -> bool {
    match &*name_of(ty) {
        "Path" | "Query" => !parameters_of(ty).is_empty(),
        "Handshake" | "Bearer" => true,
        _ => false,
    }
}
