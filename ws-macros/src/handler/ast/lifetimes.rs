//! The lifetimes in the types of a hook.

use proc_macro2::Span;
use syn::visit::{self, Visit};
use syn::visit_mut::{self, VisitMut};
use syn::{Lifetime, Type};

use super::Hook;

impl Hook {
    /// Returns a type of the signature in which lifetimes that the signature elides or declares are
    /// replaced by `lifetime`.
    pub(crate) fn with_lifetimes(&self, ty: &Type, lifetime: &Lifetime) -> Type {
        let mut ty = ty.clone();
        let mut named = NameLifetimes {
            lifetime: lifetime.clone(),
            declared: self.declared_lifetimes(),
        };
        named.visit_type_mut(&mut ty);
        ty
    }

    /// Whether a type of the signature borrows for a lifetime that ends with the call or with the
    /// handler: neither `'static` nor one of the block.
    pub(crate) fn borrows(&self, ty: &Type) -> bool {
        let mut finder = FindLifetimes {
            declared: self.declared_lifetimes(),
            found: false,
        };
        finder.visit_type(ty);
        finder.found
    }

    fn declared_lifetimes(&self) -> Vec<Lifetime> {
        self.signature
            .generics
            .lifetimes()
            .map(|param| param.lifetime.clone())
            .collect()
    }
}

/// Whether a type contains elided lifetimes.
pub(crate) fn has_elided(ty: &Type) -> bool {
    let mut finder = FindLifetimes {
        declared: Vec::new(),
        found: false,
    };
    finder.visit_type(ty);
    finder.found
}

/// Returns `'_`.
pub(crate) fn elided_lifetime() -> Lifetime {
    Lifetime::new("'_", Span::call_site())
}

/// Returns `'static`.
pub(crate) fn static_lifetime() -> Lifetime {
    Lifetime::new("'static", Span::call_site())
}

/// Replaces all lifetimes that are elided or declared by the hook with one name.
struct NameLifetimes {
    lifetime: Lifetime,
    declared: Vec<Lifetime>,
}

impl VisitMut for NameLifetimes {
    fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
        if lifetime.ident == "_" || self.declared.contains(lifetime) {
            let span = lifetime.span();
            *lifetime = self.lifetime.clone();
            lifetime.set_span(span);
        }
    }

    fn visit_type_reference_mut(&mut self, reference: &mut syn::TypeReference) {
        reference
            .lifetime
            .get_or_insert_with(|| self.lifetime.clone());
        visit_mut::visit_type_reference_mut(self, reference);
    }

    /// The elided lifetimes of `fn(&str)` are its own.
    fn visit_type_fn_ptr_mut(&mut self, _: &mut syn::TypeFnPtr) {}

    /// So are those of `Fn(&str)`.
    fn visit_parenthesized_generic_arguments_mut(
        &mut self,
        _: &mut syn::ParenthesizedGenericArguments,
    ) {
    }
}

/// Searches for lifetimes that [`NameLifetimes`] would replace.
struct FindLifetimes {
    declared: Vec<Lifetime>,
    found: bool,
}

impl Visit<'_> for FindLifetimes {
    fn visit_lifetime(&mut self, lifetime: &Lifetime) {
        self.found |= lifetime.ident == "_" || self.declared.contains(lifetime);
    }

    fn visit_type_reference(&mut self, reference: &syn::TypeReference) {
        self.found |= reference.lifetime.is_none();
        visit::visit_type_reference(self, reference);
    }

    fn visit_type_fn_ptr(&mut self, _: &syn::TypeFnPtr) {}

    fn visit_parenthesized_generic_arguments(&mut self, _: &syn::ParenthesizedGenericArguments) {}
}
