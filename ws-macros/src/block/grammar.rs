//! The differences between the blocks of two macros.

/// The words of a block, and its parts that the other block does not have.
pub(crate) struct Grammar {
    /// What the block is: `table`.
    pub block: &'static str,
    /// An example of a name for its type.
    pub block_type: &'static str,
    /// The form of the type at the start of the block.
    pub item: ItemForm,
    /// What a line declares: `route`.
    pub line: &'static str,
    /// What the string of a line is: `path`.
    pub pattern: &'static str,
    /// An example of that string.
    pub pattern_example: &'static str,
    /// How lines that have a part of the string in common can be written.
    pub common_parts: &'static str,
    /// Whether every such string begins with a slash.
    pub begins_with_slash: bool,
    /// What follows the arrow of a line: `a handler`.
    pub target: &'static str,
    /// An example of that.
    pub target_example: &'static str,
    /// The message about tokens that begin no item.
    pub expected_item: &'static str,
    /// Names that a colon follows, and that are not lines: `state: App;`.
    pub settings: &'static [&'static str],
    /// Names that braces follow: `defaults { … }`.
    pub braced_settings: &'static [&'static str],
    /// An example of an option.
    pub option_example: &'static str,
    /// Options whose value is a type.
    pub type_options: &'static [&'static str],
    /// Returns the name of a line for these identifiers.
    pub line_name: fn(&[String]) -> String,
    /// The name of a line if no other is known.
    pub default_name: &'static str,
}

/// The form of the type at the start of a block.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum ItemForm {
    /// A type in capitals is recognized without `struct`, because no line begins with one.
    Recognizable,
    /// It is like the name of a line, and recognized by its keyword only.
    Keyword,
}

impl Grammar {
    /// The names of all settings of the block.
    pub(crate) fn all_settings(&self) -> impl Iterator<Item = &'static str> {
        let with_braces = self.braced_settings.iter();
        self.settings.iter().chain(with_braces).copied()
    }
}
