//! The words of a block of topics.

use syn::Ident;
use syn::ext::IdentExt;

use crate::block::grammar::{Grammar, ItemForm};

/// The block of `topics!`.
pub(crate) const GRAMMAR: Grammar = Grammar {
    block: "block",
    block_type: "Topics",
    item: ItemForm::Keyword,
    line: "topic",
    pattern: "pattern",
    pattern_example: "\"room/{id}\"",
    common_parts: "topics have no common prefix",
    begins_with_slash: false,
    target: "the type of its values",
    target_example: "Value",
    expected_item: "expected a topic such as `pub Room: \"room/{id: u64}\" => Event;`, or \
                    `pub struct Topics;`",
    settings: &["crate"],
    braced_settings: &[],
    option_example: "history: 100",
    type_options: &["presence"],
    line_name: |words| words.iter().map(|word| camel_case(word)).collect(),
    default_name: "Lobby",
};

/// Returns a name in the form of a type: `RoomEvents` for `room_events`.
pub(crate) fn type_name(name: &Ident) -> String {
    camel_case(&name.unraw().to_string())
}

fn camel_case(word: &str) -> String {
    let parts = word.split('_').filter(|part| !part.is_empty());
    let capitalized = parts.map(|part| {
        let (first, rest) = part.split_at(part.chars().next().map_or(0, char::len_utf8));
        first.to_uppercase() + rest
    });
    capitalized.collect()
}
