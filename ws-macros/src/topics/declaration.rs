//! A checked block: the meaning of its lines.

use syn::{Attribute, Ident, LitStr, Path, Type, Visibility};

use super::options::Options;
use crate::block::item::BlockItem;
use crate::block::pattern::Pattern;

/// A block; if mistakes were reported, it contains the valid parts.
pub(crate) struct Topics {
    /// The type that names the block.
    pub item: Option<BlockItem>,
    /// The path of the library, if it is not `::ws_server`.
    pub library: Option<Path>,
    /// Lines without a mistake.
    pub valid: Vec<Topic>,
    /// Lines in which mistakes were reported. The program may use their topics.
    pub faulty: Vec<FaultyTopic>,
}

/// The topic of a line in which a mistake was reported.
pub(crate) struct FaultyTopic {
    pub topic: Topic,
    /// A type that contains the reported error, for types that are not known.
    pub unknown: Type,
}

/// One topic.
pub(crate) struct Topic {
    pub attrs: Vec<Attribute>,
    pub vis: Visibility,
    pub name: Ident,
    /// The pattern as written.
    pub text: LitStr,
    pub pattern: Pattern,
    /// The types of the parameters.
    pub params: Vec<Type>,
    pub value: Type,
    pub options: Options,
}
