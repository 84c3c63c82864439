//! The first argument of `message` and `info`: the required type, and types that are probably wrong
//! there, as far as names show.

use syn::Type;

use super::names::{is_for_every_hook, is_payload};
use crate::handler::ast::{Hook, Kind, name_of, parameters_of, unwrapped};

/// Returns a description of the payload of `message` and `info`, and an example of it.
pub fn wanted(kind: Kind) -> Option<(&'static str, &'static str)> {
    match kind {
        Kind::Message => Some((
            "message",
            "`text: String`, `bytes: Bytes`, `message: Message` or `Json(value): Json<T>`",
        )),
        Kind::Info => Some((
            "notification",
            "an argument of your own type, such as `event: Event`",
        )),
        Kind::Init | Kind::Terminate => None,
    }
}

/// Returns the message about another argument in the first position.
pub fn payload_is_first(hook: &Hook) -> String {
    let (wanted, example) = wanted(hook.kind).unwrap_or_default();
    let mut extractors = hook.extractors();
    let later = extractors.find(|argument| is_payload(&argument.ty));
    let advice = match later {
        Some(payload) => format!("move the `{}` to the front", name_of(&payload.ty)),
        None => format!("before this one, add {example}"),
    };
    format!(
        "the first argument of `{}` after `self` is the {wanted}\nhelp: {advice}",
        hook.kind
    )
}

/// Whether a type in the first position is probably meant as an extractor.
pub fn is_no_payload(kind: Kind, ty: &Type) -> bool {
    let is_reference = matches!(unwrapped(ty), Type::Reference(_));
    let name = name_of(ty);
    match kind {
        Kind::Message => is_for_every_hook(ty) || is_of_handshake(ty) || name == "CloseReason",
        Kind::Info => {
            (is_reference && ["Socket", "Hub"].contains(&&*name))
                || (["Socket", "State"].contains(&&*name) && !parameters_of(ty).is_empty())
                || name == "CloseReason"
        }
        Kind::Init | Kind::Terminate => false,
    }
}

/// Whether a type is an extractor that reads the request.
pub fn is_of_handshake(ty: &Type) -> bool {
    match &*name_of(ty) {
        "Path" | "Query" => !parameters_of(ty).is_empty(),
        "Handshake" | "Bearer" => true,
        _ => false,
    }
}
