//! Records of several nodes; the members that are shown.

use super::super::changes::Detail;
use super::*;

const LINGER: Duration = Duration::from_secs(2);

struct Harness {
    roster: Roster<u32>,
    changes: Changes,
    now: Instant,
    at: u32,
}

impl Harness {
    fn new() -> Self {
        Self {
            roster: Roster::new(LINGER),
            changes: Changes::default(),
            now: Instant::now(),
            at: 0,
        }
    }

    fn apply(&mut self, node: u64, key: &str, change: Change) {
        self.at += 1;
        self.apply_at(self.at, node, key, change);
    }

    fn apply_at(&mut self, at: u32, node: u64, key: &str, change: Change) {
        let key = key.into();
        let record = Record { key, change };
        self.roster
            .apply(record, NodeLife(node), at, self.now, &mut self.changes);
    }

    fn enter(&mut self, node: u64, key: &str, value: &str) {
        self.apply(node, key, Change::Entered(value.into()));
    }

    fn leave(&mut self, node: u64, key: &str) {
        self.apply(node, key, Change::Left);
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.roster.expire(self.now, &mut self.changes);
    }

    fn shown(&self) -> Vec<(&str, &str)> {
        let members = self.roster.iter();
        members.map(|(key, value)| (&**key, &**value)).collect()
    }

    /// The keys that have changed, with what was shown before, since the last call.
    fn changes(&mut self) -> Vec<(String, Option<String>)> {
        let changes = std::mem::replace(&mut self.changes, Changes::new(Detail::Members));
        let known = changes.known().iter();
        let known = known.map(|(key, value)| (key.to_string(), value.as_deref().map(Into::into)));
        known.collect()
    }
}

fn change(key: &str, shown: Option<&str>) -> (String, Option<String>) {
    (key.to_owned(), shown.map(Into::into))
}

#[test]
fn one_key_on_three_nodes_is_one_member() {
    let mut harness = Harness::new();
    for node in 1..=3 {
        harness.enter(node, "ada", "1");
    }
    assert_eq!(harness.shown(), [("ada", "1")]);
    assert_eq!(harness.changes(), [change("ada", None)]);
    harness.leave(1, "ada");
    harness.leave(3, "ada");
    harness.pass(LINGER);
    assert_eq!(harness.shown(), [("ada", "1")]);
    assert_eq!(harness.changes(), []);
    harness.leave(2, "ada");
    harness.pass(LINGER);
    assert!(harness.roster.is_empty());
    assert_eq!(harness.changes(), [change("ada", Some("1"))]);
}

#[test]
fn the_newest_value_by_position_is_shown() {
    let mut harness = Harness::new();
    harness.enter(1, "ada", "1");
    harness.enter(2, "ada", "2");
    harness.enter(3, "ada", "3");
    assert_eq!(harness.shown(), [("ada", "3")]);
    harness.apply(1, "ada", Change::Changed("4".into()));
    assert_eq!(harness.shown(), [("ada", "4")]);
    harness.leave(1, "ada");
    assert_eq!(harness.shown(), [("ada", "3")]);
    // As in a snapshot whose members have no order.
    harness.apply_at(1, 4, "ada", Change::Entered("0".into()));
    harness.leave(3, "ada");
    assert_eq!(harness.shown(), [("ada", "2")]);
    harness.leave(2, "ada");
    assert_eq!(harness.shown(), [("ada", "0")]);
}

#[test]
fn a_record_that_is_applied_again_changes_nothing() {
    let mut harness = Harness::new();
    harness.apply_at(5, 1, "ada", Change::Entered("5".into()));
    harness.apply_at(6, 2, "ada", Change::Entered("6".into()));
    harness.changes();
    for node in [1, 2] {
        harness.apply_at(3, node, "ada", Change::Entered("3".into()));
        harness.apply_at(4, node, "ada", Change::Left);
    }
    assert_eq!(harness.shown(), [("ada", "6")]);
    assert_eq!(harness.changes(), []);
    harness.apply_at(7, 2, "ada", Change::Left);
    assert_eq!(harness.shown(), [("ada", "5")]);
}

#[test]
fn a_member_that_returns_within_linger_has_never_left() {
    let mut harness = Harness::new();
    harness.enter(1, "ada", "1");
    harness.changes();
    harness.leave(1, "ada");
    assert_eq!(harness.roster.due(), Some(harness.now + LINGER));
    harness.pass(LINGER / 2);
    // On another node.
    harness.enter(2, "ada", "1");
    assert_eq!(harness.roster.due(), None);
    harness.pass(LINGER);
    assert_eq!(harness.shown(), [("ada", "1")]);
    assert_eq!(harness.changes(), []);
    // With another value.
    harness.leave(2, "ada");
    harness.leave(2, "ada");
    harness.enter(1, "ada", "2");
    harness.pass(LINGER);
    assert_eq!(harness.shown(), [("ada", "2")]);
    assert_eq!(harness.changes(), [change("ada", Some("1"))]);
}

#[test]
fn the_members_of_a_dead_node_leave() {
    let mut harness = Harness::new();
    harness.enter(1, "ada", "1");
    harness.enter(2, "ada", "2");
    harness.enter(2, "bob", "2");
    harness.enter(2, "eve", "2");
    harness.leave(2, "eve");
    harness.pass(LINGER / 2);
    harness.changes();
    let now = harness.now;
    harness.roster.died(NodeLife(2), now, &mut harness.changes);
    assert_eq!(harness.changes(), [change("ada", Some("2"))]);
    // `eve` had left before.
    harness.pass(LINGER / 2);
    assert_eq!(harness.shown(), [("ada", "1"), ("bob", "2")]);
    harness.pass(LINGER / 2);
    assert_eq!(harness.shown(), [("ada", "1")]);
}

#[test]
fn members_are_listed_behind_a_key() {
    let mut harness = Harness::new();
    for key in ["eve", "ada", "bob"] {
        harness.enter(1, key, "1");
    }
    let after = |key| harness.roster.after(key).map(|(key, _)| &**key);
    assert!(after("").eq(["ada", "bob", "eve"]));
    assert!(after("ada").eq(["bob", "eve"]));
    assert!(after("b").eq(["bob", "eve"]));
    assert!(after("eve").eq([""; 0]));
    assert_eq!(harness.roster.len(), 3);
    assert_eq!(harness.roster.get("bob").map(|it| &**it), Some("1"));
}
