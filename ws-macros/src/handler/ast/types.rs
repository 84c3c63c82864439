//! The written form of types in a signature.

use syn::visit::{self, Visit};
use syn::{GenericArgument, PathArguments, PathSegment, Type};

/// Returns a type without the groups that `macro_rules!` and parentheses put around it.
pub(crate) fn unwrapped(mut ty: &Type) -> &Type {
    loop {
        ty = match ty {
            Type::Group(group) => &group.elem,
            Type::Paren(paren) => &paren.elem,
            _ => return ty,
        };
    }
}

/// Returns the last segment of a path type, or of the path type behind a reference.
fn segment_of(ty: &Type) -> Option<&PathSegment> {
    match unwrapped(ty) {
        Type::Path(path) => path.path.segments.last(),
        Type::Reference(reference) => segment_of(&reference.elem),
        _ => None,
    }
}

/// Returns the name of that segment; empty if the type is not a path.
pub(crate) fn name_of(ty: &Type) -> String {
    segment_of(ty)
        .map(|segment| segment.ident.to_string())
        .unwrap_or_default()
}

/// Returns the types between the angle brackets of that segment.
pub(crate) fn parameters_of(ty: &Type) -> Vec<&Type> {
    let Some(PathArguments::AngleBracketed(list)) = segment_of(ty).map(|s| &s.arguments) else {
        return Vec::new();
    };
    let types = list.args.iter().filter_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    });
    types.collect()
}

/// Whether a type is `!`.
pub(crate) fn is_never(ty: &Type) -> bool {
    matches!(unwrapped(ty), Type::Never(_))
}

/// Returns the first `impl Trait` in a type: such a type cannot be named outside of its signature.
pub(crate) fn contains_impl(ty: &Type) -> Option<Type> {
    struct Finder(Option<Type>);

    impl Visit<'_> for Finder {
        fn visit_type(&mut self, ty: &Type) {
            if matches!(ty, Type::ImplTrait(_)) {
                self.0.get_or_insert_with(|| ty.clone());
            } else {
                visit::visit_type(self, ty);
            }
        }
    }

    let mut finder = Finder(None);
    finder.visit_type(ty);
    finder.0
}
