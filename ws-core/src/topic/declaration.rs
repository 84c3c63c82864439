//! The lines of `topics!`.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::log::HistoryLimits;

/// A segment of the names of a declared topic, between two slashes.
#[doc(hidden)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    Text(&'static str),
    Parameter,
}

/// A line of `topics!`.
#[doc(hidden)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Declaration {
    pattern: &'static str,
    parts: &'static [Part],
    history: Option<HistoryLimits>,
    is_logged: bool,
}

impl Declaration {
    /// A topic without options. `pattern` is as it was written.
    pub const fn new(pattern: &'static str, parts: &'static [Part]) -> Self {
        Self {
            pattern,
            parts,
            history: None,
            is_logged: true,
        }
    }

    /// `history: messages, keep: keep`
    #[must_use]
    pub const fn history(mut self, messages: NonZeroU32, keep: Duration) -> Self {
        self.history = Some(HistoryLimits { messages, keep });
        self
    }

    /// `relay: live`
    #[must_use]
    pub const fn live(mut self) -> Self {
        self.is_logged = false;
        self
    }

    pub(super) const fn kept(&self) -> Option<HistoryLimits> {
        self.history
    }

    pub(super) const fn is_logged(&self) -> bool {
        self.is_logged
    }

    pub(super) const fn pattern(&self) -> &'static str {
        self.pattern
    }

    pub(super) const fn parts(&self) -> &'static [Part] {
        self.parts
    }
}
