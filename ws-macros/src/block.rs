//! The parts that the blocks of `dispatch!` and `topics!` have in common: items, lines, patterns,
//! options and their values.
//!
//! A [`Grammar`] contains the differences, most of them words of messages.

pub(crate) mod constant;
pub(crate) mod editor;
pub(crate) mod grammar;
pub(crate) mod item;
pub(crate) mod line;
pub(crate) mod names;
pub(crate) mod options;
pub(crate) mod overlaps;
pub(crate) mod pattern;
pub(crate) mod quantity;
pub(crate) mod sample;
pub(crate) mod settings;
pub(crate) mod split;
pub(crate) mod syntax;
pub(crate) mod types;
pub(crate) mod unfinished;
pub(crate) mod value;
