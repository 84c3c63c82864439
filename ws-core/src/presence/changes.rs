//! What has changed in a topic since its watchers got their last event.

use std::collections::BTreeMap;

use super::record::{Key, Value};

/// The level of detail that watchers get.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Detail {
    /// Keys and members.
    #[default]
    Members,
    /// The number of members.
    Count,
}

/// The changes since the last event.
#[derive(Debug, Default)]
pub struct Changes {
    /// For each key that has changed, what the watchers know; `None` if they know no such member.
    known: BTreeMap<Key, Option<Value>>,
    detail: Detail,
    is_changed: bool,
}

impl Changes {
    /// Creates an empty set. With [`Detail::Count`], keys are not kept.
    pub(super) fn new(detail: Detail) -> Self {
        Self {
            detail,
            ..Self::default()
        }
    }

    /// Notes a change of a member that was shown with this value, or not shown.
    pub(super) fn note(&mut self, key: &Key, shown: Option<Value>) {
        self.is_changed = true;
        if self.detail == Detail::Members && !self.known.contains_key(key) {
            self.known.insert(key.clone(), shown);
        }
    }

    /// Whether there are changes.
    pub(super) const fn is_empty(&self) -> bool {
        !self.is_changed
    }

    /// The level of detail.
    pub(super) const fn detail(&self) -> Detail {
        self.detail
    }

    /// The keys that have changed, with the value that watchers know.
    pub(super) const fn known(&self) -> &BTreeMap<Key, Option<Value>> {
        &self.known
    }
}
