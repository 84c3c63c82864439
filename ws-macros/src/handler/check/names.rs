//! Rules for the set of hooks in a block.

use syn::visit::Visit;
use syn::{Ident, ImplItemFn, ReturnType, Signature, Type, Visibility};

use crate::errors::Errors;
use crate::handler::ast::{HandlerBlock, HookKind, name_of, parameters_of};
use crate::source::written;

/// The maximum number of different conditions of the hooks in one block: the implementation is
/// generated once for each combination.
const MAX_CONDITIONS: usize = 4;

/// Checks that the hooks are inherent methods, not methods of a trait.
pub(crate) fn block_is_inherent(block: &mut HandlerBlock, errors: &Errors) {
    if let Some((path, _)) = &block.item.trait_ {
        let ty = &block.item.self_ty;
        errors.push(
            path,
            format_args!(
                "`#[ws_handler]` belongs on an inherent impl block, not on an impl of a trait\n\
                 help: write `impl {}`",
                written(ty)
            ),
        );
    }
}

/// Reports methods that look like a hook but have a slightly different name, because they would
/// never be called. They are checked as the hooks that they were meant to be.
pub(crate) fn hook_names_are_correct(block: &mut HandlerBlock, errors: &Errors) {
    let misspelt = misspelt_hooks(block);
    let misspelt: Vec<_> = misspelt
        .into_iter()
        .map(|(name, kind)| (name.clone(), kind))
        .collect();
    for (name, kind) in misspelt {
        errors.push(
            &name,
            format_args!(
                "`{name}` is not the name of a hook, so it is never called\n\
                 help: rename it to `{kind}`; if it is a helper, choose a less similar name"
            ),
        );
        block.add_misspelt(&name, kind);
    }
}

/// Checks that a hook is repeated only if `#[cfg]`s select among the alternatives.
pub(crate) fn hooks_are_unique(block: &mut HandlerBlock, errors: &Errors) {
    for place in 0..block.hooks.len() {
        let (earlier, hook) = block.hooks.split_at_mut(place);
        let hook = &mut hook[0];
        if earlier.iter().any(|earlier| hook.repeats(earlier)) {
            hook.has_mistakes = true;
            errors.push(
                &hook.signature.ident,
                format_args!(
                    "`{}` is defined twice, but a handler has each hook only once\n\
                     help: for alternatives, give each of them a different `#[cfg(…)]`",
                    hook.kind
                ),
            );
        }
    }
}

/// Checks the number of conditions: the implementation is generated once for each combination.
pub(crate) fn conditions_are_limited(block: &mut HandlerBlock, errors: &Errors) {
    let mut seen: Vec<String> = Vec::new();
    for condition in block.hooks.iter().flat_map(|hook| &hook.conditions) {
        let predicate = condition.predicate.to_string();
        if seen.contains(&predicate) {
            continue;
        }
        seen.push(predicate);
        if seen.len() == MAX_CONDITIONS + 1 {
            errors.push(
                &condition.attribute,
                format_args!(
                    "the hooks of one block may have at most {MAX_CONDITIONS} different \
                     `#[cfg(…)]`s\n\
                     help: move the conditions to whole impl blocks, or into the bodies"
                ),
            );
        }
    }
    if seen.len() > MAX_CONDITIONS {
        for hook in &mut block.hooks {
            hook.has_mistakes |= !hook.conditions.is_empty();
        }
    }
}

/// Returns the methods that were probably meant as hooks.
fn misspelt_hooks(block: &HandlerBlock) -> Vec<(&Ident, HookKind)> {
    let absent = |kind: &HookKind| block.hooks_of(*kind).next().is_none();
    let absent: Vec<_> = HookKind::ALL.into_iter().filter(absent).collect();
    let mut found: Vec<(&Ident, HookKind)> = Vec::new();
    for method in block
        .other_methods()
        .filter(|method| is_private_and_unused(method, block))
    {
        let meant = absent.iter().copied().find(|kind| {
            is_similar(&method.sig.ident, *kind) && has_shape_of(&method.sig, *kind, block)
        });
        // If there are two candidates for one hook, the second may be a helper of the first.
        if let Some(kind) = meant.filter(|kind| found.iter().all(|(_, taken)| taken != kind)) {
            found.push((&method.sig.ident, kind));
        }
    }
    found
}

/// Whether a method is neither visible elsewhere nor called within the block.
fn is_private_and_unused(method: &ImplItemFn, block: &HandlerBlock) -> bool {
    if !matches!(method.vis, Visibility::Inherited) {
        return false;
    }
    let mut mentions = Mentions {
        name: &method.sig.ident,
        found: false,
    };
    mentions.visit_item_impl(&block.item);
    !mentions.found
}

/// Searches the bodies of methods for a name.
struct Mentions<'a> {
    name: &'a Ident,
    found: bool,
}

impl Visit<'_> for Mentions<'_> {
    fn visit_expr_method_call(&mut self, call: &syn::ExprMethodCall) {
        self.found |= call.method == *self.name;
        syn::visit::visit_expr_method_call(self, call);
    }

    fn visit_expr_path(&mut self, path: &syn::ExprPath) {
        self.found |= path
            .path
            .segments
            .last()
            .is_some_and(|last| last.ident == *self.name);
    }

    /// The arguments of a macro may contain a call; its tokens are not parsed.
    fn visit_macro(&mut self, called: &syn::Macro) {
        let name = self.name.to_string();
        let tokens = called.tokens.to_string();
        self.found |= tokens
            .split(|c: char| !(c.is_alphanumeric() || c == '_'))
            .any(|word| word == name);
    }
}

/// Whether a name is similar enough to that of a hook.
fn is_similar(name: &Ident, kind: HookKind) -> bool {
    let name = name.to_string().to_lowercase();
    let core = ["on_", "handle_", "ws_", "websocket_", "do_"]
        .iter()
        .find_map(|prefix| name.strip_prefix(prefix))
        .unwrap_or(&name);
    let prefixed = core.len() != name.len();
    let synonyms: &[&str] = match kind {
        HookKind::Init => &[
            "initialise",
            "initialize",
            "initialised",
            "initialized",
            "initial",
        ],
        HookKind::Message => &["messages", "msg"],
        HookKind::Info => &["infos", "notification", "notify"],
        HookKind::Terminate => &["terminated", "termination", "terminating"],
    };
    let events: &[&str] = match kind {
        HookKind::Init => &["open", "connect"],
        HookKind::Message => &["text", "binary"],
        HookKind::Info => &[],
        HookKind::Terminate => &["close", "closed", "disconnect"],
    };
    // In a name of four letters, two wrong letters often make a different name.
    let tolerance = if kind.name().len() > 4 { 2 } else { 1 };
    core == kind.name()
        || synonyms.contains(&core)
        || (prefixed && events.contains(&core))
        || strsim::damerau_levenshtein(core, kind.name()) <= tolerance
}

/// Whether a method could be the hook by its arguments and its return type.
fn has_shape_of(signature: &Signature, kind: HookKind, block: &HandlerBlock) -> bool {
    let has_self = signature.receiver().is_some();
    let mut types = signature.inputs.iter().filter_map(|input| match input {
        syn::FnArg::Typed(argument) => Some(&*argument.ty),
        syn::FnArg::Receiver(_) => None,
    });
    match kind {
        HookKind::Init => !has_self && returns_the_handler(signature, block),
        HookKind::Message => has_self && types.next().is_some_and(is_payload),
        HookKind::Info => has_self && types.next().is_some() && types.all(is_for_every_hook),
        HookKind::Terminate => {
            has_self
                && matches!(signature.output, ReturnType::Default)
                && types.all(|ty| name_of(ty) == "CloseReason" || is_for_every_hook(ty))
        }
    }
}

fn returns_the_handler(signature: &Signature, block: &HandlerBlock) -> bool {
    let ReturnType::Type(_, output) = &signature.output else {
        return false;
    };
    let own = name_of(&block.item.self_ty);
    let inner = parameters_of(output)
        .first()
        .map(|ty| name_of(ty))
        .unwrap_or_default();
    [name_of(output), inner]
        .iter()
        .any(|name| name == "Self" || *name == own)
}

/// Whether a type is one of the payloads that the crate defines.
pub(crate) fn is_payload(ty: &Type) -> bool {
    let named = |ty: &Type| {
        let name = name_of(ty);
        [
            "String",
            "str",
            "Bytes",
            "ByteString",
            "Message",
            "Json",
            "MsgPack",
        ]
        .contains(&&*name)
    };
    named(ty) || (name_of(ty) == "Result" && parameters_of(ty).first().is_some_and(|ty| named(ty)))
}

/// Whether a type is an extractor that every hook may take.
pub(crate) fn is_for_every_hook(ty: &Type) -> bool {
    let named = |ty: &Type| ["Socket", "Hub", "State", "Session", "Page"].contains(&&*name_of(ty));
    named(ty) || (name_of(ty) == "Option" && parameters_of(ty).first().is_some_and(|ty| named(ty)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the reported names in an impl block, and the intended hooks.
    fn reported(block: &str) -> Vec<(String, HookKind)> {
        let item = syn::parse_str(block).expect("an impl block");
        let block = HandlerBlock::parse(item);
        misspelt_hooks(&block)
            .into_iter()
            .map(|(name, kind)| (name.to_string(), kind))
            .collect()
    }

    #[test]
    fn a_hook_is_recognised_under_names_near_its_own() {
        for (method, kind) in [
            ("fn inti() -> Self {}", HookKind::Init),
            (
                "fn initialize() -> Result<Room, Refusal> {}",
                HookKind::Init,
            ),
            ("fn mesage(&mut self, text: String) {}", HookKind::Message),
            (
                "fn on_message(&mut self, Json(x): Json<u8>, hub: &Hub) {}",
                HookKind::Message,
            ),
            (
                "fn handle_text(&mut self, text: String) {}",
                HookKind::Message,
            ),
            ("fn on_info(&mut self, event: Event) {}", HookKind::Info),
            (
                "fn terminated(self, reason: CloseReason) {}",
                HookKind::Terminate,
            ),
            (
                "fn on_disconnect(&mut self, hub: &Hub) {}",
                HookKind::Terminate,
            ),
        ] {
            let name = method.split(['(', ' ']).nth(1).expect("a name").to_owned();
            assert_eq!(
                reported(&format!("impl Room {{ {method} }}")),
                [(name, kind)],
                "{method}"
            );
        }
    }

    #[test]
    fn helpers_are_left_alone() {
        for methods in [
            // The hook exists.
            "fn message(&mut self, text: String) {} fn handle_message(&mut self, text: String) {}",
            // The method is called, as a method, by its path, or in a macro.
            "fn info(&mut self, x: u8) { self.on_message(y) } fn on_message(&mut self, x: String) {}",
            "fn info(&mut self, x: u8) { Self::on_close(self) } fn on_close(&self) {}",
            "fn info(&mut self, x: u8) { log!(self.mesage(x)) } fn mesage(&self, x: String) {}",
            // Other code may call it.
            "pub fn on_message(&mut self, text: String) {}",
            // It takes or returns something else.
            "fn initial() -> u8 {}",
            "fn messages(&self) -> usize {}",
            "fn on_message(&mut self, number: u64) {}",
            "fn terminated(&self) -> bool {}",
            "fn close(&mut self) {}",
            "fn infer(&mut self, value: u8) {}",
            "fn open() -> Self {}",
        ] {
            assert_eq!(
                reported(&format!("impl Room {{ {methods} }}")),
                [],
                "{methods}"
            );
        }
    }
}
