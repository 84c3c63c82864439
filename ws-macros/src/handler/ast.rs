//! The impl block, read: which hooks there are, and what they take.

use std::fmt;

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::visit_mut::{self, VisitMut};
use syn::{
    Attribute, FnArg, GenericArgument, ImplItem, ImplItemFn, ItemImpl, Lifetime, PathArguments,
    PathSegment, ReceiverKind, ReturnType, Signature, Type,
};

/// The user's impl block.
pub struct Block {
    pub item: ItemImpl,
    pub hooks: Vec<Hook>,
}

/// The four names that mean something.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Init,
    Message,
    Info,
    Terminate,
}

/// One hook of the block.
pub struct Hook {
    pub kind: Kind,
    pub signature: Signature,
    /// Its `#[cfg(…)]` attributes, each without the brackets.
    pub cfgs: Vec<Attribute>,
    pub receiver: Option<Receiver>,
    pub arguments: Vec<Argument>,
}

/// How a hook takes the handler.
pub struct Receiver {
    pub passing: Passing,
    pub tokens: syn::Receiver,
}

/// By value, by reference, or in some other way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Passing {
    Value,
    Reference,
    /// `self: Box<Self>` and the like.
    Other,
}

/// An argument after the receiver.
pub struct Argument {
    pub role: Role,
    pub ty: Type,
    pub attributes: Vec<Attribute>,
}

/// What an argument is filled with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// The message, or the notification.
    Payload,
    /// Why the connection ended.
    Reason,
    /// What its type finds in the connection or in the request.
    Extractor,
}

impl Block {
    /// The shape of a hook is ours, so lints about it are not the user's concern: a hook may
    /// leave `self` unread or unchanged, take its payload by value and await nothing, and it
    /// is never `const`.
    pub fn allow_what_signatures_demand(&mut self) {
        for item in &mut self.item.items {
            if let ImplItem::Fn(function) = item
                && Kind::of(&function.sig).is_some()
            {
                function.attrs.push(syn::parse_quote!(
                    #[allow(
                        clippy::unused_self,
                        clippy::needless_pass_by_value,
                        clippy::unnecessary_wraps,
                        clippy::unused_async,
                        clippy::missing_const_for_fn,
                        clippy::needless_pass_by_ref_mut
                    )]
                ));
            }
        }
    }

    /// Reads a block; what is wrong with it is for `check` to say.
    pub fn parse(item: ItemImpl) -> Self {
        let hooks = functions(&item).filter_map(Hook::parse).collect();
        Self { item, hooks }
    }

    /// The methods that are no hooks.
    pub fn others(&self) -> impl Iterator<Item = &ImplItemFn> {
        functions(&self.item).filter(|function| Kind::of(&function.sig).is_none())
    }

    /// The hooks of one kind: several where `#[cfg]`s choose among them.
    pub fn hooks_of(&self, kind: Kind) -> impl Iterator<Item = &Hook> {
        self.hooks.iter().filter(move |hook| hook.kind == kind)
    }

    /// Leaves the first of several hooks under the same `#[cfg]`s: the others have been
    /// reported, and the compiler would report them again.
    pub fn remove_repeated_hooks(&mut self) {
        let mut seen: Vec<(Kind, String)> = Vec::new();
        self.item.items.retain(|item| {
            let ImplItem::Fn(function) = item else {
                return true;
            };
            let Some(hook) = Hook::parse(function) else {
                return true;
            };
            let key = (hook.kind, hook.condition());
            let repeated = seen.iter().any(|earlier| {
                earlier.0 == key.0 && {
                    earlier.1 == key.1 || earlier.1.is_empty() || key.1.is_empty()
                }
            });
            seen.push(key);
            !repeated
        });
    }
}

fn functions(item: &ItemImpl) -> impl Iterator<Item = &ImplItemFn> {
    item.items.iter().filter_map(|item| match item {
        ImplItem::Fn(function) => Some(function),
        _ => None,
    })
}

impl Kind {
    pub const ALL: [Self; 4] = [Self::Init, Self::Message, Self::Info, Self::Terminate];

    /// The name of the hook.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::Message => "message",
            Self::Info => "info",
            Self::Terminate => "terminate",
        }
    }

    /// The hook that a method is by its name.
    pub fn of(signature: &Signature) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|kind| signature.ident == kind.name())
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Hook {
    fn parse(function: &ImplItemFn) -> Option<Self> {
        let signature = function.sig.clone();
        let kind = Kind::of(&signature)?;
        let cfgs = cfgs(&function.attrs);
        let receiver = signature.receiver().cloned().map(Receiver::new);
        let mut arguments: Vec<Argument> = Vec::new();
        for input in &signature.inputs {
            let FnArg::Typed(argument) = input else {
                continue;
            };
            let role = match kind {
                Kind::Message | Kind::Info if arguments.is_empty() => Role::Payload,
                Kind::Terminate if name_of(&argument.ty) == "CloseReason" => Role::Reason,
                _ => Role::Extractor,
            };
            arguments.push(Argument {
                role,
                ty: (*argument.ty).clone(),
                attributes: argument.attrs.clone(),
            });
        }
        Some(Self {
            kind,
            signature,
            cfgs,
            receiver,
            arguments,
        })
    }

    /// Where the hook is blamed as a whole: its name.
    pub fn span(&self) -> Span {
        self.signature.ident.span()
    }

    pub fn is_async(&self) -> bool {
        self.signature.asyncness.is_some()
    }

    /// The type that the hook returns, `()` where it says none.
    pub fn output(&self) -> Type {
        match &self.signature.output {
            ReturnType::Default => syn::parse_quote!(()),
            ReturnType::Type(_, ty) => (**ty).clone(),
        }
    }

    /// The conditions under which the hook exists, as text; empty where it always does.
    pub fn condition(&self) -> String {
        let cfgs = &self.cfgs;
        quote!(#(#cfgs)*).to_string()
    }

    /// The argument with the message or the notification.
    pub fn payload(&self) -> Option<&Argument> {
        self.arguments
            .iter()
            .find(|argument| argument.role == Role::Payload)
    }

    /// The arguments that are found by their types.
    pub fn extractors(&self) -> impl Iterator<Item = &Argument> {
        self.arguments
            .iter()
            .filter(|argument| argument.role == Role::Extractor)
    }

    /// A type of the signature, its lifetimes named by `lifetime` where the signature
    /// elides or declares them.
    pub fn with_lifetimes(&self, ty: &Type, lifetime: &str) -> Type {
        let mut ty = ty.clone();
        let declared = self
            .signature
            .generics
            .lifetimes()
            .map(|param| param.lifetime.clone())
            .collect();
        let mut named = NameLifetimes {
            lifetime: Lifetime::new(lifetime, Span::call_site()),
            declared,
        };
        named.visit_type_mut(&mut ty);
        ty
    }
}

impl Receiver {
    fn new(tokens: syn::Receiver) -> Self {
        let passing = match &tokens.kind {
            ReceiverKind::Value => Passing::Value,
            ReceiverKind::Reference(..) => Passing::Reference,
            ReceiverKind::Typed(_, ty) => match unwrapped(ty) {
                Type::Reference(reference) if name_of(&reference.elem) == "Self" => {
                    Passing::Reference
                }
                ty if name_of(ty) == "Self" && !matches!(ty, Type::Reference(_)) => Passing::Value,
                _ => Passing::Other,
            },
            _ => Passing::Other,
        };
        Self { passing, tokens }
    }
}

/// The `#[cfg(…)]`s among these attributes.
pub fn cfgs(attributes: &[Attribute]) -> Vec<Attribute> {
    attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("cfg"))
        .cloned()
        .collect()
}

/// What stands within the parentheses of a `#[cfg(…)]`.
pub fn predicate(cfg: &Attribute) -> TokenStream {
    cfg.meta
        .require_list()
        .map(|list| list.tokens.clone())
        .unwrap_or_default()
}

/// A type without the groups that `macro_rules!` and parentheses put around it.
pub fn unwrapped(mut ty: &Type) -> &Type {
    loop {
        ty = match ty {
            Type::Group(group) => &group.elem,
            Type::Paren(paren) => &paren.elem,
            _ => return ty,
        };
    }
}

/// The last segment of the path that a type is, or that a reference points to.
pub fn segment_of(ty: &Type) -> Option<&PathSegment> {
    match unwrapped(ty) {
        Type::Path(path) => path.path.segments.last(),
        Type::Reference(reference) => segment_of(&reference.elem),
        _ => None,
    }
}

/// The name of that segment; empty where the type is no path.
pub fn name_of(ty: &Type) -> String {
    segment_of(ty)
        .map(|segment| segment.ident.to_string())
        .unwrap_or_default()
}

/// The types between the angle brackets of that segment.
pub fn parameters_of(ty: &Type) -> Vec<&Type> {
    let Some(PathArguments::AngleBracketed(list)) = segment_of(ty).map(|s| &s.arguments) else {
        return Vec::new();
    };
    let types = list.args.iter().filter_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    });
    types.collect()
}

/// Gives one name to all lifetimes that are elided or belong to the hook.
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
