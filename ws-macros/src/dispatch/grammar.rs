//! The words of a table.

use crate::block::grammar::{Grammar, ItemForm};

/// The block of `dispatch!`.
pub(crate) const GRAMMAR: Grammar = Grammar {
    block: "table",
    block_type: "Routes",
    item: ItemForm::Recognizable,
    line: "route",
    pattern: "path",
    pattern_example: "\"/path\"",
    common_parts: "routes that share a prefix can be in a nested table",
    begins_with_slash: true,
    target: "a handler",
    target_example: "Handler",
    expected_item: "expected a route such as `room: \"/rooms/{id: u64}\" => Room;`, or \
                    `state: App;`, or `defaults { … }`",
    settings: &["state", "crate"],
    braced_settings: &["defaults"],
    option_example: "mailbox: 64",
    type_options: &[],
    line_name: |words| words.join("_"),
    default_name: "home",
};
