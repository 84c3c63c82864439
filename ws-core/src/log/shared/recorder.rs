//! The members of this node that are not yet recorded in the engine, for nodes that start later.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;

use super::engine::MemberChange;
use crate::log::name::Lane;

/// Changes that one command records.
const MAX_CHANGES: usize = 1_024;

/// The last change of each member that is not recorded yet: at most one of each member of the node.
#[derive(Default, Debug)]
pub(super) struct Recorder {
    changes: HashMap<Bytes, Option<Bytes>>,
    /// The members that the engine has, or will have.
    members: HashMap<Lane, HashSet<Bytes>>,
}

impl Recorder {
    /// Notes the value of a member; `None` if it has left.
    pub(super) fn note(&mut self, lane: Lane, key: Bytes, value: Option<Bytes>) {
        let members = self.members.entry(lane).or_default();
        if value.is_some() {
            members.insert(key.clone());
        } else {
            members.remove(&key);
        }
        self.changes.insert(key, value);
    }

    /// Notes a change of what no node owns: other nodes may change it too.
    pub(super) fn replace(&mut self, key: Bytes, value: Option<Bytes>) {
        self.changes.insert(key, value);
    }

    /// All members in the topics of a lane have left.
    pub(super) fn clear(&mut self, lane: Lane) {
        let members = self.members.remove(&lane).unwrap_or_default();
        self.changes
            .extend(members.into_iter().map(|key| (key, None)));
    }

    /// Takes the next changes, if there are any.
    pub(super) fn next(&mut self) -> Option<Vec<MemberChange>> {
        if self.changes.is_empty() {
            return None;
        }
        let keys: Vec<Bytes> = self.changes.keys().take(MAX_CHANGES).cloned().collect();
        let take = |key: Bytes| {
            let value = self.changes.remove(&key)?;
            Some(MemberChange { key, value })
        };
        Some(keys.into_iter().filter_map(take).collect())
    }

    /// Takes back changes that were not recorded, unless there are later ones.
    pub(super) fn restore(&mut self, changes: Vec<MemberChange>) {
        for MemberChange { key, value } in changes {
            self.changes.entry(key).or_insert(value);
        }
    }

    /// Whether everything is recorded.
    #[cfg(feature = "test-kit")]
    pub(super) fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LANE: Lane = Lane(1);

    fn change(key: &'static str, value: Option<&'static str>) -> MemberChange {
        MemberChange {
            key: key.into(),
            value: value.map(Bytes::from),
        }
    }

    #[test]
    fn only_the_last_change_of_a_member_is_recorded() {
        let mut recorder = Recorder::default();
        recorder.note(LANE, "ada".into(), Some("1".into()));
        recorder.note(LANE, "ada".into(), Some("2".into()));
        let failed = recorder.next().unwrap();
        assert_eq!(failed, [change("ada", Some("2"))]);
        recorder.note(LANE, "ada".into(), None);
        recorder.restore(failed);
        assert_eq!(recorder.next(), Some(vec![change("ada", None)]));
        assert_eq!(recorder.next(), None);
    }

    #[test]
    fn a_cleared_lane_keeps_only_what_enters_again() {
        let mut recorder = Recorder::default();
        recorder.note(LANE, "ada".into(), Some("1".into()));
        recorder.note(LANE, "bob".into(), Some("2".into()));
        recorder.note(Lane(2), "eve".into(), Some("3".into()));
        recorder.next();
        recorder.clear(LANE);
        recorder.note(LANE, "bob".into(), Some("2".into()));
        let mut changes = recorder.next().unwrap();
        changes.sort_by(|one, other| one.key.cmp(&other.key));
        assert_eq!(changes, [change("ada", None), change("bob", Some("2"))]);
    }
}
