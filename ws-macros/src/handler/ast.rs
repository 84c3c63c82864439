//! The parsed impl block: its hooks and their arguments.

use std::fmt;

use proc_macro2::{Ident, Span};
use quote::{ToTokens, quote};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{
    Attribute, FnArg, GenericParam, ImplItem, ImplItemFn, ItemImpl, ReturnType, Signature, Type,
    token,
};

use crate::condition::{Condition, conditions};

mod lifetimes;
mod types;

pub(crate) use lifetimes::{elided_lifetime, has_elided, static_lifetime};
pub(crate) use types::{contains_impl, is_never, name_of, parameters_of, unwrapped};

/// The user's impl block.
pub(crate) struct HandlerBlock {
    pub item: ItemImpl,
    pub hooks: Vec<Hook>,
}

/// The names of the four hooks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum HookKind {
    Init,
    Message,
    Info,
    Terminate,
}

/// One hook of the block.
pub(crate) struct Hook {
    pub kind: HookKind,
    pub signature: Signature,
    pub conditions: Vec<Condition>,
    pub receiver: Option<Receiver>,
    pub arguments: Vec<Argument>,
    /// Whether a mistake in it was reported; then it is not called.
    pub has_mistakes: bool,
    /// Whether a mistake in its return type was reported.
    pub output_has_mistakes: bool,
}

/// How a hook takes the handler.
pub(crate) struct Receiver {
    pub passing: Passing,
    pub tokens: syn::Receiver,
}

/// By value, by reference, or in some other way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Passing {
    Value,
    Reference,
    /// `self: Me`, a name that may be an alias for any of the others.
    PossibleAlias,
    /// `self: Box<Self>` and similar types.
    Other,
}

/// An argument after the receiver.
pub(crate) struct Argument {
    pub role: Role,
    /// The span of the `:` before the type.
    pub colon: Span,
    pub ty: Type,
    pub attributes: Vec<Attribute>,
    /// Whether a mistake in it was reported.
    pub has_mistakes: bool,
}

/// The value that is passed for an argument.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Role {
    /// The message, or the notification.
    Payload,
    /// A value that its type extracts from the connection or the request.
    Extractor,
}

impl HandlerBlock {
    /// Replaces the first and last tokens of the hooks by tokens of the macro, so that clippy does
    /// not report their signatures: a hook may leave `self` unread or unchanged, take its payload
    /// by value and await nothing, and it is never `const`. Allowing these lints would be an error
    /// in a crate that forbids them.
    pub(crate) fn hide_signatures_from_lints(&mut self) {
        let hidden = |span: Span| Span::mixed_site().located_at(span);
        for item in &mut self.item.items {
            let ImplItem::Fn(function) = item else {
                continue;
            };
            if HookKind::of(&function.sig).is_none() {
                continue;
            }
            let signature = &mut function.sig;
            signature.fn_token.span = hidden(signature.fn_token.span);
            if let Some(keyword) = &mut signature.asyncness {
                keyword.span = hidden(keyword.span);
            }
            signature.paren_token = token::Paren(hidden(signature.paren_token.span.join()));
            let braces = &mut function.block.brace_token;
            *braces = token::Brace(hidden(braces.span.join()));
        }
    }

    /// Parses a block; `check` reports its mistakes.
    pub(crate) fn parse(item: ItemImpl) -> Self {
        let own = &item.self_ty;
        let hooks = functions(&item)
            .filter_map(|function| Some(Hook::parse(function, HookKind::of(&function.sig)?, own)))
            .collect();
        Self { item, hooks }
    }

    /// Adds the method of this name as the hook that it was meant to be.
    pub(crate) fn add_misspelt(&mut self, name: &Ident, kind: HookKind) {
        let function = functions(&self.item).find(|function| function.sig.ident == *name);
        let hook = function.map(|function| Hook::parse(function, kind, &self.item.self_ty));
        self.hooks.extend(hook);
    }

    /// Returns the methods that are not hooks.
    pub(crate) fn other_methods(&self) -> impl Iterator<Item = &ImplItemFn> {
        functions(&self.item).filter(|function| HookKind::of(&function.sig).is_none())
    }

    /// Returns the hooks of one kind: several if `#[cfg]`s select among them.
    pub(crate) fn hooks_of(&self, kind: HookKind) -> impl Iterator<Item = &Hook> {
        self.hooks.iter().filter(move |hook| hook.kind == kind)
    }

    /// Returns the hooks that can be called: those without mistakes.
    pub(crate) fn callable_hooks(&self) -> impl Iterator<Item = &Hook> {
        let is_inherent = self.item.trait_.is_none();
        self.hooks
            .iter()
            .filter(move |hook| is_inherent && !hook.has_mistakes)
    }

    /// Keeps only the first of several hooks under the same `#[cfg]`s: the others have been
    /// reported, and the compiler would report them again.
    pub(crate) fn remove_repeated_hooks(&mut self) {
        let own = self.item.self_ty.clone();
        let mut seen: Vec<Hook> = Vec::new();
        self.item.items.retain(|item| {
            let ImplItem::Fn(function) = item else {
                return true;
            };
            let Some(kind) = HookKind::of(&function.sig) else {
                return true;
            };
            let hook = Hook::parse(function, kind, &own);
            let repeated = seen.iter().any(|earlier| hook.repeats(earlier));
            seen.push(hook);
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

impl HookKind {
    pub(crate) const ALL: [Self; 4] = [Self::Init, Self::Message, Self::Info, Self::Terminate];

    /// Returns the name of the hook.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::Message => "message",
            Self::Info => "info",
            Self::Terminate => "terminate",
        }
    }

    /// Returns the hook that a method is by its name.
    pub(crate) fn of(signature: &Signature) -> Option<Self> {
        let name = signature.ident.unraw();
        Self::ALL.into_iter().find(|kind| name == kind.name())
    }
}

impl fmt::Display for HookKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Hook {
    fn parse(function: &ImplItemFn, kind: HookKind, own: &Type) -> Self {
        let signature = function.sig.clone();
        let receiver = signature.receiver().cloned();
        let mut arguments: Vec<Argument> = Vec::new();
        for input in &signature.inputs {
            let FnArg::Typed(argument) = input else {
                continue;
            };
            let role = match kind {
                HookKind::Message | HookKind::Info if arguments.is_empty() => Role::Payload,
                _ => Role::Extractor,
            };
            arguments.push(Argument {
                role,
                colon: argument.colon_token.span(),
                ty: (*argument.ty).clone(),
                attributes: argument.attrs.clone(),
                has_mistakes: false,
            });
        }
        Self {
            kind,
            conditions: conditions(&function.attrs),
            receiver: receiver.map(|receiver| Receiver::new(receiver, own)),
            signature,
            arguments,
            has_mistakes: false,
            output_has_mistakes: false,
        }
    }

    /// Whether the signature has type or const parameters; then its types mean nothing elsewhere.
    pub(crate) fn is_generic(&self) -> bool {
        let mut parameters = self.signature.generics.params.iter();
        parameters.any(|parameter| !matches!(parameter, GenericParam::Lifetime(_)))
    }

    /// Returns the span for errors about the whole hook: its name.
    pub(crate) fn span(&self) -> Span {
        self.signature.ident.span()
    }

    pub(crate) fn is_async(&self) -> bool {
        self.signature.asyncness.is_some()
    }

    /// Returns the return type of the hook, `()` if it has none.
    pub(crate) fn output(&self) -> Type {
        match &self.signature.output {
            ReturnType::Default => syn::parse_quote!(()),
            ReturnType::Type(_, ty) => (**ty).clone(),
        }
    }

    /// Returns the conditions under which the hook exists, as text; empty if it always exists.
    pub(crate) fn condition(&self) -> String {
        let predicates = self.conditions.iter().map(|condition| &condition.predicate);
        quote!(#(#[cfg(#predicates)])*).to_string()
    }

    /// Whether both hooks exist at the same time, as far as their conditions show.
    pub(crate) fn repeats(&self, earlier: &Self) -> bool {
        let either_is_always_there = self.conditions.is_empty() || earlier.conditions.is_empty();
        self.kind == earlier.kind
            && (either_is_always_there || self.condition() == earlier.condition())
    }

    /// Returns the argument with the message or the notification.
    pub(crate) fn payload(&self) -> Option<&Argument> {
        self.arguments
            .iter()
            .find(|argument| argument.role == Role::Payload)
    }

    /// Returns the arguments that are selected by their types.
    pub(crate) fn extractors(&self) -> impl Iterator<Item = &Argument> {
        self.arguments
            .iter()
            .filter(|argument| argument.role == Role::Extractor)
    }
}

impl Receiver {
    fn new(tokens: syn::Receiver, own: &Type) -> Self {
        let passing = match &tokens.kind {
            syn::ReceiverKind::Value => Passing::Value,
            syn::ReceiverKind::Reference(..) => Passing::Reference,
            syn::ReceiverKind::Typed(_, ty) => match unwrapped(ty) {
                Type::Reference(_) => Passing::Reference,
                ty if name_of(ty) == "Self" || same(ty, own) => Passing::Value,
                ty if POINTERS.contains(&&*name_of(ty)) && mentions_the_handler(ty, own) => {
                    Passing::Other
                }
                _ => Passing::PossibleAlias,
            },
            _ => Passing::Other,
        };
        Self { passing, tokens }
    }

    /// Returns the span of the type of `self`.
    pub(crate) fn span(&self) -> Span {
        let last = self.tokens.to_token_stream().into_iter().last();
        last.map_or_else(Span::call_site, |token| token.span())
    }
}

/// Receivers that own the handler. Any other name may be an alias of a reference.
const POINTERS: [&str; 4] = ["Box", "Rc", "Arc", "Pin"];

/// Whether two types are written in the same way.
fn same(ty: &Type, other: &Type) -> bool {
    ty.to_token_stream().to_string() == other.to_token_stream().to_string()
}

/// Whether a type contains the handler's type within its angle brackets, as `Box<Self>` does.
fn mentions_the_handler(ty: &Type, own: &Type) -> bool {
    parameters_of(ty).into_iter().any(|inner| {
        let inner = match unwrapped(inner) {
            Type::Reference(reference) => &*reference.elem,
            inner => inner,
        };
        name_of(inner) == "Self" || same(inner, own) || mentions_the_handler(inner, own)
    })
}
