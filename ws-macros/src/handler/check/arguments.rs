//! Rules on what a hook takes.

use syn::visit::Visit;
use syn::{Lifetime, Type};

use super::names::{is_for_every_hook, is_payload};
use crate::errors::Errors;
use crate::handler::ast::{Argument, Block, Hook, Kind, Role, name_of, parameters_of, unwrapped};

/// `message` and `info` are about something, and it comes first.
pub fn payload_is_there(hook: &Hook, errors: &Errors) {
    let (wanted, example) = match hook.kind {
        Kind::Message => (
            "message",
            "`text: String`, `bytes: Bytes`, `message: Message` or `Json(value): Json<T>`",
        ),
        Kind::Info => (
            "notification",
            "an argument of your own type, such as `event: Event`",
        ),
        Kind::Init | Kind::Terminate => return,
    };
    let later = |argument: &&Argument| argument.role == Role::Extractor && is_payload(&argument.ty);
    match hook.payload() {
        None => errors.push(
            &hook.signature.ident,
            format_args!(
                "`{0}` takes the {wanted} as its first argument after `self`\nhelp: add {example}",
                hook.kind
            ),
        ),
        Some(first) if is_no_payload(hook.kind, &first.ty) => {
            let later = hook.arguments.iter().find(later);
            let advice = match later {
                Some(payload) => {
                    format!("move the `{}` to the front", name_of(&payload.ty))
                }
                None => format!("before this one, add {example}"),
            };
            errors.push(
                &first.ty,
                format_args!(
                    "the first argument of `{}` after `self` is the {wanted}\nhelp: {advice}",
                    hook.kind
                ),
            );
        }
        Some(_) => {}
    }
}

/// A message is handed over, so the hook takes it by value.
pub fn payload_is_owned(hook: &Hook, errors: &Errors) {
    let Some(payload) = hook.payload() else {
        return;
    };
    let Type::Reference(reference) = unwrapped(&payload.ty) else {
        return;
    };
    let is_static = reference
        .lifetime
        .as_ref()
        .is_some_and(|lifetime| lifetime.ident == "static");
    if is_no_payload(hook.kind, &payload.ty) || (hook.kind == Kind::Info && is_static) {
        return;
    }
    let owned = match (unwrapped(&reference.elem), hook.kind) {
        (Type::Slice(_), _) => "take `Bytes`".to_owned(),
        (elem, Kind::Info) if name_of(elem) == "str" => {
            "take `String` or `&'static str`".to_owned()
        }
        (elem, _) if name_of(elem) == "str" => "take `String`".to_owned(),
        (elem, _) if is_payload(elem) => format!("take `{}`, without the `&`", name_of(elem)),
        _ => "take it without the `&`".to_owned(),
    };
    let kind = hook.kind;
    errors.push(
        &payload.ty,
        format_args!("`{kind}` is handed its first argument for good, not lent\nhelp: {owned}"),
    );
}

/// One call is about one message.
pub fn payload_is_one(hook: &Hook, errors: &Errors) {
    let Some(first) = hook.payload() else { return };
    // Said already: the payload is to be moved to the front.
    if is_no_payload(hook.kind, &first.ty) {
        return;
    }
    for argument in hook
        .extractors()
        .filter(|argument| is_payload(&argument.ty))
    {
        let name = name_of(&argument.ty);
        let advice = match hook.kind {
            Kind::Message => {
                "to take text and binary alike, take one `Message`; for several values in one \
                 message, take `Json<T>` of a struct"
            }
            _ => "for several values, notify with a struct or a tuple",
        };
        errors.push(
            &argument.ty,
            format_args!(
                "`{}` takes one value, its first argument after `self`, and `{name}` is a \
                 second\n\
                 help: {advice}",
                hook.kind
            ),
        );
    }
}

/// What only the request has is read in `init`: an idle connection keeps no headers.
pub fn handshake_is_read_in_init(hook: &Hook, errors: &Errors) {
    if hook.kind == Kind::Init {
        return;
    }
    let taken = hook.arguments.iter().filter(|argument| {
        argument.role == Role::Extractor
            || (hook.kind == Kind::Message && is_of_handshake(&argument.ty))
    });
    for argument in taken.filter(|argument| is_of_handshake(&argument.ty)) {
        let name = name_of(&argument.ty);
        errors.push(
            &argument.ty,
            format_args!(
                "`{name}` belongs to `init`, because a connection keeps nothing of its request\n\
                 help: take it there, and keep what `{}` needs in a field",
                hook.kind
            ),
        );
    }
}

/// Only the end has a reason, and one.
pub fn reason_is_for_terminate(hook: &Hook, errors: &Errors) {
    let reasons = hook
        .arguments
        .iter()
        .filter(|argument| name_of(&argument.ty) == "CloseReason");
    if hook.kind == Kind::Terminate {
        for second in reasons.skip(1) {
            errors.push(
                &second.ty,
                "the end has one `CloseReason`\nhelp: remove this one",
            );
        }
    } else {
        for argument in reasons {
            errors.push(
                &argument.ty,
                format_args!(
                    "`CloseReason` belongs to `terminate`: while `{}` runs, the connection has \
                     not ended",
                    hook.kind
                ),
            );
        }
    }
}

/// The implementation that is written has to know which arguments there are.
pub fn arguments_are_unconditional(hook: &Hook, errors: &Errors) {
    let attributes = hook
        .arguments
        .iter()
        .flat_map(|argument| &argument.attributes);
    for attribute in attributes {
        if attribute.path().is_ident("cfg") || attribute.path().is_ident("cfg_attr") {
            errors.push(
                attribute,
                format_args!(
                    "an argument of a hook cannot be conditional\n\
                     help: write `{}` twice, with a `#[cfg(…)]` on each",
                    hook.kind
                ),
            );
        }
    }
}

/// What a hook is given, it has for the call alone; a handler lives longer.
pub fn arguments_are_for_the_call(block: &Block, errors: &Errors) {
    let own: Vec<_> = block
        .item
        .generics
        .lifetimes()
        .map(|param| &param.lifetime)
        .collect();
    for hook in &block.hooks {
        for argument in hook.extractors() {
            let mut mentions = MentionsLifetime {
                wanted: &own,
                found: None,
            };
            mentions.visit_type(&argument.ty);
            if let Some(lifetime) = mentions.found {
                errors.push(
                    &argument.ty,
                    format_args!(
                        "an argument lasts for one call of `{}`, but `{lifetime}` is a lifetime \
                         of the handler, which lasts longer\n\
                         help: leave it out, and clone what is to be kept",
                        hook.kind
                    ),
                );
            }
        }
    }
}

/// Looks for one of some lifetimes in a type.
struct MentionsLifetime<'a> {
    wanted: &'a [&'a Lifetime],
    found: Option<Lifetime>,
}

impl Visit<'_> for MentionsLifetime<'_> {
    fn visit_lifetime(&mut self, lifetime: &Lifetime) {
        if self.wanted.contains(&lifetime) {
            self.found.get_or_insert_with(|| lifetime.clone());
        }
    }
}

/// Whether a type in the first place is surely meant as an extractor. The value of `info`
/// may be of any type of the user's, whatever its name.
fn is_no_payload(kind: Kind, ty: &Type) -> bool {
    let is_reference = matches!(unwrapped(ty), Type::Reference(_));
    match kind {
        Kind::Message => {
            is_for_every_hook(ty) || is_of_handshake(ty) || name_of(ty) == "CloseReason"
        }
        Kind::Info => {
            let name = name_of(ty);
            (is_reference && ["Socket", "Hub"].contains(&&*name))
                || (["Socket", "State"].contains(&&*name) && !parameters_of(ty).is_empty())
                || name == "CloseReason"
        }
        Kind::Init | Kind::Terminate => false,
    }
}

/// Whether a type is an extractor that reads the request.
fn is_of_handshake(ty: &Type) -> bool {
    let name = name_of(ty);
    let is_reference = matches!(unwrapped(ty), Type::Reference(_));
    match &*name {
        "Path" | "Query" => !parameters_of(ty).is_empty(),
        "Handshake" => is_reference,
        "Bearer" => true,
        _ => false,
    }
}
