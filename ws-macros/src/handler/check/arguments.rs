//! Rules for the arguments of a hook.

use syn::visit::Visit;
use syn::visit_mut::{self, VisitMut};
use syn::{GenericArgument, Generics, Lifetime, PathArguments, PathSegment, Type};

use super::first_argument::{is_likely_extractor, payload_description, payload_first_message};
use super::names::is_payload;
use super::output::owned;
use crate::condition::conditions;
use crate::errors::Errors;
use crate::handler::ast::{Argument, Hook, HookKind, Role, contains_impl, name_of, unwrapped};
use crate::source::written;

/// Checks that `message` and `info` have a payload.
pub(crate) fn payload_is_present(hook: &Hook, errors: &Errors) {
    if let (Some((payload, example)), None) = (payload_description(hook.kind), hook.payload()) {
        errors.push(
            &hook.signature.ident,
            format_args!(
                "`{0}` takes the {payload} as its first argument after `self`\nhelp: add {example}",
                hook.kind
            ),
        );
    }
}

/// Checks that an argument has no `impl Trait`: the library calls the hook, so it cannot choose a
/// type.
pub(crate) fn type_has_no_impl_trait(hook: &Hook, argument: &Argument, errors: &Errors) {
    if let Some(unnamed) = contains_impl(&argument.ty) {
        errors.push(
            unnamed,
            format_args!(
                "`{}` is called by the library, which cannot choose a type for `impl Trait`\n\
                 help: name the type",
                hook.kind
            ),
        );
    }
}

/// Checks that the payload is taken by value and borrows nothing: the hook becomes its owner.
pub(crate) fn payload_is_owned(hook: &Hook, payload: &Argument, errors: &Errors) {
    if payload.role != Role::Payload || contains_impl(&payload.ty).is_some() {
        return;
    }
    let (kind, ty) = (hook.kind, &payload.ty);
    let Type::Reference(reference) = unwrapped(ty) else {
        if kind == HookKind::Info && hook.borrows(ty) {
            errors.push(ty, must_own_message(hook, ty));
        }
        return;
    };
    let lifetime = reference.lifetime.as_ref();
    let is_static = lifetime.is_some_and(|lifetime| lifetime.ident == "static");
    match (kind, is_likely_extractor(kind, ty)) {
        // The compiler reports it.
        (HookKind::Message, true) => {}
        (HookKind::Info, _) if is_static => {}
        (HookKind::Info, true) => errors.push(ty, payload_first_message(hook)),
        _ => {
            let owned = owned_payload(kind, &reference.elem);
            errors.push(
                ty,
                format_args!("`{kind}` takes its first argument by value\nhelp: {owned}"),
            );
        }
    }
}

/// Whether a decoded type borrows. A `Cow` does not, because serde decodes it as owned.
pub(crate) fn borrows_when_decoded(hook: &Hook, ty: &Type) -> bool {
    struct WithoutCows;

    impl VisitMut for WithoutCows {
        fn visit_path_segment_mut(&mut self, segment: &mut PathSegment) {
            if segment.ident == "Cow"
                && let PathArguments::AngleBracketed(parameters) = &mut segment.arguments
            {
                let all = std::mem::take(&mut parameters.args).into_iter();
                let is_lifetime = |it: &_| matches!(it, GenericArgument::Lifetime(_));
                parameters.args = all.filter(|it| !is_lifetime(it)).collect();
            }
            visit_mut::visit_path_segment_mut(self, segment);
        }
    }

    let mut ty = ty.clone();
    WithoutCows.visit_type_mut(&mut ty);
    hook.borrows(&ty)
}

/// Returns the payload type to write instead of a reference to this.
fn owned_payload(kind: HookKind, elem: &Type) -> String {
    match (unwrapped(elem), kind) {
        (Type::Slice(_), _) => "take `Bytes`".to_owned(),
        (elem, HookKind::Info) if name_of(elem) == "str" => {
            "take `String` or `&'static str`".to_owned()
        }
        (elem, _) if name_of(elem) == "str" => "take `String`".to_owned(),
        (elem, _) if is_payload(elem) => format!("take `{}`, without the `&`", name_of(elem)),
        _ => "take it without the `&`".to_owned(),
    }
}

/// Returns the message about a payload that borrows.
pub(crate) fn must_own_message(hook: &Hook, ty: &Type) -> String {
    format!(
        "`{}` takes ownership of its first argument, so `{}` must own its data\nhelp: {}",
        hook.kind,
        written(ty),
        owned_instead(hook, ty)
    )
}

/// Returns the type to write instead of a type that borrows.
pub(crate) fn owned_instead(hook: &Hook, ty: &Type) -> String {
    let owned = owned(hook, ty);
    if hook.borrows(&owned) {
        "give the type owned fields, such as `String` for `&str`, and remove its lifetime"
            .to_owned()
    } else {
        format!("write `{}`", written(&owned))
    }
}

/// Checks that an argument has no condition: the implementation must know all arguments.
pub(crate) fn argument_is_unconditional(hook: &Hook, argument: &Argument, errors: &Errors) {
    for condition in conditions(&argument.attributes) {
        errors.push(
            condition.attribute,
            format_args!(
                "an argument of a hook cannot have `#[cfg]`\n\
                 help: write `{}` twice, with a `#[cfg(…)]` on each",
                hook.kind
            ),
        );
    }
}

/// Checks that the handler keeps no argument: arguments are borrowed for the call, but a handler
/// lives longer.
pub(crate) fn argument_is_not_kept(
    own: &Generics,
    hook: &Hook,
    argument: &Argument,
    errors: &Errors,
) {
    if argument.role != Role::Extractor {
        return;
    }
    let own: Vec<_> = own.lifetimes().map(|param| &param.lifetime).collect();
    let mut mentions = MentionsLifetime {
        wanted: &own,
        found: None,
    };
    mentions.visit_type(&argument.ty);
    if let Some(lifetime) = mentions.found {
        errors.push(
            &argument.ty,
            format_args!(
                "an argument is borrowed for one call of `{}`, but `{lifetime}` is a lifetime \
                 of the handler, which lives longer\n\
                 help: remove the lifetime, and clone the values that the handler keeps",
                hook.kind
            ),
        );
    }
}

/// Searches a type for one of some lifetimes.
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
