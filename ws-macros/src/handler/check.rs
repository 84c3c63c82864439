//! Every rule on a handler. A rule is a function that reports into [`Errors`]; to add
//! one, write it beside its kin and name it in the list.

mod arguments;
mod names;
mod signature;

pub use names::leaves_params;

use super::ast::{Block, Hook};
use crate::errors::Errors;

/// Rules on the block as a whole.
const BLOCK_RULES: &[fn(&Block, &Errors)] = &[
    names::block_is_inherent,
    names::init_is_there,
    names::hooks_are_spelt_right,
    names::hooks_are_there_once,
    names::conditions_are_few,
    arguments::arguments_are_for_the_call,
];

/// Rules on each hook.
const HOOK_RULES: &[fn(&Hook, &Errors)] = &[
    signature::hook_is_a_plain_function,
    signature::hook_has_no_generics,
    signature::receiver_suits_the_hook,
    signature::init_returns_the_handler,
    signature::terminate_returns_nothing,
    signature::reply_is_owned,
    signature::future_is_written_as_async,
    arguments::payload_is_there,
    arguments::payload_is_owned,
    arguments::payload_is_one,
    arguments::handshake_is_read_in_init,
    arguments::reason_is_for_terminate,
    arguments::arguments_are_unconditional,
];

/// Reports every mistake of a block.
pub fn check(block: &Block, errors: &Errors) {
    for rule in BLOCK_RULES {
        rule(block, errors);
    }
    for hook in &block.hooks {
        for rule in HOOK_RULES {
            rule(hook, errors);
        }
    }
}
