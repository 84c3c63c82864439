//! `#[derive(PathParams)]`: the parameters of a route as the fields of a struct.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Attribute, Data, DeriveInput, Field, Fields, Ident, Meta, Path, Token};

use crate::crate_path::{CratePath, hidden_module};
use crate::errors::Errors;
use crate::source::{respanned, unused_name};

/// Implements `FromParams` for every route that has the struct's fields as parameters.
pub(crate) fn expand(input: &DeriveInput) -> TokenStream {
    let errors = Errors::new();
    let library = library(&input.attrs, &errors);
    check_no_lifetimes(input, &errors);
    let fields = named_fields(input, &errors);
    match errors.finish() {
        Ok(()) => implementation(input, &fields, &library),
        Err(mut errors) => {
            errors.extend(stub(input, &library));
            errors
        }
    }
}

/// Parses `#[path_params(crate = ::path)]`, the path of the library.
fn library(attrs: &[Attribute], errors: &Errors) -> TokenStream {
    let mut library = None;
    for attr in attrs
        .iter()
        .filter(|attr| attr.path().is_ident("path_params"))
    {
        let parsed = attr.parse_args_with(|input: syn::parse::ParseStream<'_>| {
            input.parse::<Token![crate]>()?;
            input.parse::<Token![=]>()?;
            input.parse::<Path>()
        });
        match (parsed, &attr.meta) {
            (Ok(path), Meta::List(_)) => library = Some(CratePath::new(path)),
            _ => errors.push(
                attr,
                "write `#[path_params(crate = ::path::to::ws_server)]`",
            ),
        }
    }
    let library =
        library.unwrap_or_else(|| CratePath::default().or_dependency("path_params", errors));
    library.into_token_stream()
}

/// Checks that the type has no lifetimes: the path is gone when a hook runs, so the values are
/// owned.
fn check_no_lifetimes(input: &DeriveInput, errors: &Errors) {
    for lifetime in input.generics.lifetimes() {
        errors.push(
            lifetime,
            format!(
                "the parameters of a path are owned, so the struct cannot borrow them\nhelp: \
                 remove `{}` and use `String`",
                lifetime.lifetime
            ),
        );
    }
}

/// Returns the fields, which must be named, because parameters have names.
fn named_fields<'i>(input: &'i DeriveInput, errors: &Errors) -> Vec<&'i Field> {
    let name = &input.ident;
    let wanted =
        "`PathParams` can be derived only for a struct whose fields have the names of parameters";
    match &input.data {
        Data::Struct(data) => match &data.fields {
            Fields::Named(fields) if !fields.named.is_empty() => {
                return fields.named.iter().collect();
            }
            Fields::Named(_) | Fields::Unit => {
                errors.push(name, format!("{wanted}\nhelp: `{name}` has no fields"));
            }
            Fields::Unnamed(fields) => errors.push(
                fields,
                format!(
                    "{wanted}\n\
                     help: write `struct {name} {{ id: u64 }}`; a tuple needs no derive, as in \
                     `Path<(u64, String)>`"
                ),
            ),
        },
        Data::Enum(data) => {
            errors.push(
                data.enum_token,
                format!(
                    "{wanted}\n\
                     help: for a parameter with a few allowed values, implement `FromStr` and write `{{kind: {name}}}` in the path"
                ),
            );
        }
        Data::Union(data) => errors.push(data.union_token, wanted),
    }
    Vec::new()
}

fn implementation(input: &DeriveInput, fields: &[&Field], library: &TokenStream) -> TokenStream {
    let hidden = hidden_module();
    let core = quote!(#library::#hidden);
    let name = &input.ident;
    let route = unused_name("SomeRoute", input);
    let mut generics = input.generics.clone();
    // Resolved as if no derive had generated it: otherwise the compiler would suggest to write the
    // impl by hand.
    let place = Span::call_site().resolved_at(name.span());
    let is_generic = generics.type_params().next().is_some();
    let has = field_traits(fields, input);
    let bounds = fields.iter().zip(&has).map(|(field, has)| {
        let ty = &field.ty;
        let reads = is_generic.then(|| quote!(#ty: ::core::str::FromStr,));
        let has = respanned(quote!(#route: #has<#ty>), place);
        quote!(#reads #has,)
    });
    let bounds: TokenStream = bounds.collect();
    let traits = fields
        .iter()
        .zip(&has)
        .filter_map(|(field, has)| Some(field_trait(field.ident.as_ref()?, has, name, &core)));
    let traits: TokenStream = traits.collect();
    let values = fields.iter().filter_map(|field| {
        let (ident, ty) = (field.ident.as_ref()?, &field.ty);
        let param = ident.unraw().to_string();
        let read = quote_spanned!(ty.span()=> __params.parse_named::<#ty>(#param)?);
        Some(quote!(#ident: #read,))
    });
    let values: TokenStream = values.collect();
    let names = fields
        .iter()
        .filter_map(|field| Some(field.ident.as_ref()?.unraw().to_string()));
    let where_clause = generics.make_where_clause();
    let own = &where_clause.predicates;
    let own = own
        .iter()
        .map(|predicate| quote!(#predicate,))
        .collect::<TokenStream>();
    let (_, arguments, _) = input.generics.split_for_impl();
    let parameters = parameters(input);
    let from_params = respanned(quote!(#core::extract::FromParams<#route>), place);
    quote! {
        const _: () = {
            #traits

            #[automatically_derived]
            impl<#(#parameters,)* #route> #from_params for #name #arguments
            where
                #own
                #bounds
                #route: #core::extract::NamesParams<Self>,
            {
                const FIELDS: ::core::option::Option<&'static [&'static ::core::primitive::str]> =
                    ::core::option::Option::Some(&[#(#names),*]);

                fn from_params(
                    __params: &#core::extract::Params,
                ) -> ::core::result::Result<Self, #core::error::Refusal> {
                    ::core::result::Result::Ok(Self { #values })
                }
            }
        };
    }
}

/// A trait of the routes that have a parameter for this field. In compiler messages it replaces the
/// name as a type, which is unreadable.
fn field_trait(field: &Ident, has: &Ident, name: &Ident, core: &TokenStream) -> TokenStream {
    let param = name_type(field, core);
    let field = field.unraw();
    let message = format!("this route has no parameter for the field `{field}: {{T}}` of `{name}`");
    let label = format!("`{name}` has a field `{field}: {{T}}`");
    let note = format!(
        "write `{{{{{field}: {{T}}}}}}` in the path (`{{{{{field}}}}}` is a `String`), or remove the \
         field"
    );
    quote! {
        #[diagnostic::on_unimplemented(message = #message, label = #label, note = #note)]
        trait #has<T> {}

        #[diagnostic::do_not_recommend]
        impl<T, R: #core::extract::HasParam<#param, T>> #has<T> for R {}
    }
}

/// Returns the names of the traits: `HasFieldSeatNumber` for `seat_number`.
fn field_traits(fields: &[&Field], input: &DeriveInput) -> Vec<Ident> {
    let mut names: Vec<Ident> = Vec::new();
    for field in fields.iter().filter_map(|field| field.ident.as_ref()) {
        let mut name = "HasField".to_owned();
        for word in field.unraw().to_string().split('_') {
            let mut letters = word.chars();
            name.extend(letters.next().into_iter().flat_map(char::to_uppercase));
            name.push_str(letters.as_str());
        }
        // For example, `a_b` and `a__b` have the same name.
        while names.iter().any(|known| *known == name) {
            name.push('2');
        }
        let mut name = unused_name(&name, input);
        name.set_span(field.span());
        names.push(name);
    }
    names
}

/// After a mistake, generates an impl for every route, so that no use of the type is reported too.
fn stub(input: &DeriveInput, library: &TokenStream) -> TokenStream {
    let hidden = hidden_module();
    let core = quote!(#library::#hidden);
    let name = &input.ident;
    let route = unused_name("SomeRoute", input);
    let (_, arguments, where_clause) = input.generics.split_for_impl();
    let own = where_clause.iter().flat_map(|clause| &clause.predicates);
    let own: TokenStream = own.map(|predicate| quote!(#predicate,)).collect();
    let parameters = parameters(input);
    quote! {
        impl<#(#parameters,)* #route> #core::extract::FromParams<#route> for #name #arguments
        where
            #own
            #route: #core::extract::NamesParams<Self>,
        {
            fn from_params(
                _: &#core::extract::Params,
            ) -> ::core::result::Result<Self, #core::error::Refusal> {
                ::core::unreachable!()
            }
        }
    }
}

/// Returns the generics of the type, without defaults, which an impl cannot have.
fn parameters(input: &DeriveInput) -> Vec<syn::GenericParam> {
    input
        .generics
        .params
        .iter()
        .cloned()
        .map(without_default)
        .collect()
}

fn without_default(mut parameter: syn::GenericParam) -> syn::GenericParam {
    match &mut parameter {
        syn::GenericParam::Type(ty) => ty.default = None,
        syn::GenericParam::Const(value) => value.default = None,
        syn::GenericParam::Lifetime(_) => {}
    }
    parameter
}

/// Returns the name of a parameter as a type: `NameChar<'i', NameChar<'d', NameEnd>>`.
pub(crate) fn name_type(name: &Ident, core: &TokenStream) -> TokenStream {
    let name = name.unraw().to_string();
    let end = quote!(#core::extract::NameEnd);
    name.chars().rev().fold(
        end,
        |rest, letter| quote!(#core::extract::NameChar<#letter, #rest>),
    )
}
