//! Rules for the return type of a hook.

use syn::visit_mut::{self, VisitMut};
use syn::{ReturnType, Type, TypeParamBound, parse_quote};

use crate::errors::Errors;
use crate::handler::ast::{Hook, HookKind, is_never, name_of, parameters_of, unwrapped};

/// Checks that `init` returns the handler.
pub(crate) fn init_returns_the_handler(hook: &Hook, errors: &Errors) {
    if hook.kind == HookKind::Init && is_unit(&hook.output()) {
        errors.push(
            &hook.signature.ident,
            "`init` must return the handler\n\
             help: write `-> Self`, or `-> Result<Self, Refusal>` to be able to refuse the \
             connection",
        );
    }
}

/// Checks that `terminate` returns nothing: there is no client left for a reply.
pub(crate) fn terminate_returns_nothing(hook: &Hook, errors: &Errors) {
    if let (HookKind::Terminate, ReturnType::Type(_, output)) = (hook.kind, &hook.signature.output)
        && !is_unit(output)
        && !is_never(output)
    {
        errors.push(
            output,
            "`terminate` runs after the connection has ended, so it cannot reply\n\
             help: remove the return type",
        );
    }
}

/// Returns a `&str` or `Cow<'_, str>` that is a reply or a part of one, as far as the names show.
pub(crate) fn borrowed_text<'t>(hook: &Hook, ty: &'t Type) -> Option<&'t Type> {
    let parts: Vec<_> = match unwrapped(ty) {
        Type::Tuple(tuple) => tuple.elems.iter().collect(),
        Type::Reference(reference) if name_of(&reference.elem) == "str" => {
            let lifetime = reference.lifetime.as_ref();
            let is_static = lifetime.is_some_and(|lifetime| lifetime.ident == "static");
            return (!is_static).then_some(ty);
        }
        path => match &*name_of(path) {
            "Cow" => {
                let of_text = parameters_of(path)
                    .first()
                    .is_some_and(|part| name_of(part) == "str");
                return (of_text && hook.borrows(path)).then_some(ty);
            }
            "Option" | "Vec" | "Result" => parameters_of(path),
            _ => Vec::new(),
        },
    };
    parts.into_iter().find_map(|part| borrowed_text(hook, part))
}

/// Returns a type in which each `&str` and `Cow<'_, str>` is replaced by `String`, and other
/// borrowed parts by values.
pub(crate) fn owned(hook: &Hook, ty: &Type) -> Type {
    struct Owned<'h>(&'h Hook);

    impl VisitMut for Owned<'_> {
        fn visit_type_mut(&mut self, ty: &mut Type) {
            visit_mut::visit_type_mut(self, ty);
            if !self.0.borrows(ty) {
                return;
            }
            let text = match unwrapped(ty) {
                Type::Reference(reference) => match unwrapped(&reference.elem) {
                    Type::Slice(slice) => {
                        let elem = &slice.elem;
                        parse_quote!(Vec<#elem>)
                    }
                    elem if name_of(elem) == "str" => parse_quote!(String),
                    elem => elem.clone(),
                },
                path if name_of(path) == "Cow" => match parameters_of(path).first() {
                    Some(elem) if name_of(elem) == "str" => parse_quote!(String),
                    _ => return,
                },
                _ => return,
            };
            *ty = text;
        }
    }

    let mut ty = ty.clone();
    Owned(hook).visit_type_mut(&mut ty);
    ty
}

/// Checks that a hook is an `async fn` and not a `fn` that returns a future, which the library does
/// not await.
pub(crate) fn future_is_written_as_async(hook: &Hook, errors: &Errors) {
    let output = hook.output();
    let Type::ImplTrait(future) = unwrapped(&output) else {
        return;
    };
    let is_future = future.bounds.iter().any(|bound| {
        matches!(bound, TypeParamBound::Trait(bound)
            if bound.path.segments.last().is_some_and(|last| last.ident == "Future"))
    });
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
