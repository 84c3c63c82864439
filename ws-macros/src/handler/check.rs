//! The rules for a handler. A rule is a function that reports into [`Errors`]; to add one, write it
//! next to related rules and add it to the list.
//!
//! A rule decides by syntax, never by the name of a type: a type of the user may have any name, and
//! a type of the library may have an alias. Mistakes in types are [`likely_mistakes`].

mod arguments;
mod first_argument;
pub(crate) mod likely_mistakes;
mod names;
mod output;
mod signature;

use super::ast::{Argument, HandlerBlock, Hook};
use crate::errors::Errors;

/// Rules for the block as a whole.
const BLOCK_RULES: &[fn(&mut HandlerBlock, &Errors)] = &[
    names::block_is_inherent,
    names::hook_names_are_correct,
    names::hooks_are_unique,
    names::conditions_are_limited,
];

/// Rules for each hook.
const HOOK_RULES: &[fn(&Hook, &Errors)] = &[
    signature::hook_is_a_plain_function,
    signature::hook_has_no_generics,
    signature::receiver_fits_the_hook,
    arguments::payload_is_present,
];

/// Rules for the return type of a hook.
const OUTPUT_RULES: &[fn(&Hook, &Errors)] = &[
    output::init_returns_the_handler,
    output::terminate_returns_nothing,
    output::future_is_written_as_async,
];

/// Rules for each argument of a hook.
const ARGUMENT_RULES: &[fn(&Hook, &Argument, &Errors)] = &[
    arguments::type_has_no_impl_trait,
    arguments::payload_is_owned,
    arguments::argument_is_unconditional,
];

/// Reports every mistake of a block, and marks the hooks that have one.
pub(crate) fn check(block: &mut HandlerBlock, errors: &Errors) {
    for rule in BLOCK_RULES {
        rule(block, errors);
    }
    let generics = block.item.generics.clone();
    for hook in &mut block.hooks {
        let before = errors.count();
        for rule in HOOK_RULES {
            rule(hook, errors);
        }
        hook.output_has_mistakes = reports_mistakes(errors, || {
            for rule in OUTPUT_RULES {
                rule(hook, errors);
            }
        });
        let flawed: Vec<_> = hook
            .arguments
            .iter()
            .map(|argument| {
                reports_mistakes(errors, || {
                    for rule in ARGUMENT_RULES {
                        rule(hook, argument, errors);
                    }
                    arguments::argument_is_not_kept(&generics, hook, argument, errors);
                })
            })
            .collect();
        for (argument, is_flawed) in hook.arguments.iter_mut().zip(flawed) {
            argument.has_mistakes = is_flawed;
        }
        hook.has_mistakes |= errors.count() > before;
    }
}

/// Whether these rules find a mistake.
fn reports_mistakes(errors: &Errors, rules: impl FnOnce()) -> bool {
    let before = errors.count();
    rules();
    errors.count() > before
}
