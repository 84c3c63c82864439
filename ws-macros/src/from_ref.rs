//! `#[derive(FromRef)]`: makes each field of a state a part that `State<T>` can extract.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Data, DeriveInput, Field, Fields, Index, Member, Type};

use crate::crate_path::CratePath;
use crate::errors::Errors;
use crate::handler::unwrapped;
use crate::source::written;

/// A field that becomes a part.
struct Part<'a> {
    member: Member,
    ty: &'a Type,
}

/// Expands the derive.
pub(crate) fn expand(input: &DeriveInput) -> TokenStream {
    let errors = Errors::new();
    let path = crate_path(input, &errors);
    let parts = parts(input, &errors);
    types_are_different(&parts, &errors);
    types_are_concrete(input, &parts, &errors);
    match errors.finish() {
        Ok(()) => parts
            .iter()
            .map(|part| {
                let Part { member, ty } = part;
                let clone = quote!(<#ty as ::core::clone::Clone>::clone(&__whole.#member));
                implementation(input, part, &path, &clone)
            })
            .collect(),
        Err(reported) => {
            let stubs = stubs(input, &parts, &path);
            quote!(#reported #stubs)
        }
    }
}

/// After a mistake, generates an impl for every type that can be a part, so that no use of the
/// state is reported too.
fn stubs(input: &DeriveInput, parts: &[Part<'_>], path: &CratePath) -> TokenStream {
    let is_first = |place: usize, part: &Part<'_>| {
        let mut earlier = parts[..place].iter();
        !earlier.any(|earlier| written(earlier.ty) == written(part.ty))
    };
    let usable = parts
        .iter()
        .enumerate()
        .filter(|(place, part)| is_first(*place, part) && !is_parameter(input, part.ty));
    usable
        .map(|(_, part)| implementation(input, part, path, &quote!(::core::unreachable!())))
        .collect()
}

fn implementation(
    input: &DeriveInput,
    part: &Part<'_>,
    path: &CratePath,
    value: &TokenStream,
) -> TokenStream {
    let ty = part.ty;
    let whole = &input.ident;
    let hidden = path.hidden();
    let (parameters, arguments, bounds) = input.generics.split_for_impl();
    quote! {
        #[automatically_derived]
        impl #parameters #hidden::extract::FromRef<#whole #arguments> for #ty #bounds {
            fn from_ref(__whole: &#whole #arguments) -> Self {
                #value
            }
        }
    }
}

/// The fields without `#[from_ref(skip)]`.
fn parts<'a>(input: &'a DeriveInput, errors: &Errors) -> Vec<Part<'a>> {
    let fields = match &input.data {
        Data::Struct(data) => &data.fields,
        Data::Enum(data) => {
            errors.push(data.enum_token, NO_STRUCT);
            return Vec::new();
        }
        Data::Union(data) => {
            errors.push(data.union_token, NO_STRUCT);
            return Vec::new();
        }
    };
    if let Fields::Unit = fields {
        errors.push(
            &input.ident,
            "this state has no fields, so it has no parts to derive",
        );
    }
    let kept = fields
        .iter()
        .enumerate()
        .filter(|(_, field)| !is_skipped(field, errors));
    kept.map(|(place, field)| {
        let member = field
            .ident
            .clone()
            .map_or_else(|| Index::from(place).into(), Member::Named);
        Part {
            member,
            ty: &field.ty,
        }
    })
    .collect()
}

const NO_STRUCT: &str =
    "`FromRef` can be derived only for a struct, whose fields are the parts of the state";

/// Parses `#[from_ref(skip)]`.
fn is_skipped(field: &Field, errors: &Errors) -> bool {
    let mut skipped = false;
    for attribute in field
        .attrs
        .iter()
        .filter(|attribute| attribute.path().is_ident("from_ref"))
    {
        let read = attribute.parse_nested_meta(|meta| {
            skipped |= meta.path.is_ident("skip");
            if meta.path.is_ident("skip") {
                return Ok(());
            }
            Err(meta.error("a field takes only `#[from_ref(skip)]`"))
        });
        errors.ok_or_report(read);
    }
    skipped
}

/// Parses `#[from_ref(crate = ::path)]`.
fn crate_path(input: &DeriveInput, errors: &Errors) -> CratePath {
    let mut path = None;
    for attribute in input
        .attrs
        .iter()
        .filter(|attribute| attribute.path().is_ident("from_ref"))
    {
        if let Some(list) = errors.ok_or_report(attribute.meta.require_list()) {
            let tokens = list.tokens.clone();
            path = Some(CratePath::parse_arguments(tokens, "from_ref", errors));
        }
    }
    path.unwrap_or_else(|| CratePath::default().or_dependency("from_ref", errors))
}

/// Checks that no two fields have the same type: a part is selected by its type.
fn types_are_different(parts: &[Part<'_>], errors: &Errors) {
    for (place, part) in parts.iter().enumerate() {
        let same = parts[..place]
            .iter()
            .find(|earlier| written(earlier.ty) == written(part.ty));
        if let Some(earlier) = same {
            let (first, second) = (name(&earlier.member), name(&part.member));
            errors.push(
                part.ty,
                format_args!(
                    "the fields {first} and {second} have the same type, so `State<{}>` could be \
                     either\n\
                     help: wrap one in a newtype, or exclude one with `#[from_ref(skip)]`",
                    written(part.ty)
                ),
            );
        }
    }
}

/// Whether a type is a type parameter of the state.
fn is_parameter(input: &DeriveInput, ty: &Type) -> bool {
    let Type::Path(path) = unwrapped(ty) else {
        return false;
    };
    input
        .generics
        .type_params()
        .any(|parameter| path.path.is_ident(&parameter.ident))
}

/// Checks that no part is a type parameter: the compiler accepts no implementation for any type.
fn types_are_concrete(input: &DeriveInput, parts: &[Part<'_>], errors: &Errors) {
    for part in parts {
        if is_parameter(input, part.ty) {
            errors.push(
                part.ty,
                format_args!(
                    "the field {} can have any type, so it cannot be a part of the state\n\
                     help: wrap it, as in `Arc<{}>`, or exclude it with `#[from_ref(skip)]`",
                    name(&part.member),
                    written(part.ty)
                ),
            );
        }
    }
}

fn name(member: &Member) -> String {
    match member {
        Member::Named(name) => format!("`{name}`"),
        Member::Unnamed(index) => format!("`{}`", index.index),
    }
}
