//! The events of one topic.

use super::super::record::{Change, Record};
use super::super::roster::NodeLife;
use super::*;

const LIMITS: PresenceLimits = PresenceLimits {
    list: 10,
    linger: Duration::ZERO,
    ..PresenceLimits::DEFAULT
};

struct Harness {
    roster: Roster<u64>,
    watch: Watch,
    now: Instant,
    at: u64,
}

impl Harness {
    fn new() -> Self {
        Self {
            roster: Roster::new(LIMITS.linger),
            watch: Watch::new(&LIMITS, Freshness::Current),
            now: Instant::now(),
            at: 0,
        }
    }

    fn apply(&mut self, key: &str, change: Change) {
        self.at += 1;
        let key = key.into();
        let record = Record { key, change };
        let (node, changes) = (NodeLife(1), self.watch.changes());
        self.roster.apply(record, node, self.at, self.now, changes);
        self.roster.expire(self.now, changes);
    }

    fn enter(&mut self, key: &str, value: &str) {
        self.apply(key, Change::Entered(value.into()));
    }

    fn enter_some(&mut self, keys: impl IntoIterator<Item = usize>) {
        for key in keys {
            self.enter(&format!("k{key:03}"), "1");
        }
    }

    fn leave(&mut self, key: &str) {
        self.apply(key, Change::Left);
    }

    fn snapshot(&mut self) -> String {
        let snapshot = self.watch.snapshot("t", &self.roster);
        snapshot.as_text().unwrap().to_owned()
    }

    /// The next event, a tick later.
    fn event(&mut self) -> Option<String> {
        self.now += LIMITS.tick;
        let event = self.watch.next_event("t", &self.roster, self.now);
        event.map(|event| event.as_text().unwrap().to_owned())
    }
}

fn changes(lists: [&str; 3]) -> String {
    let [entered, changed, left] = lists;
    format!(
        r#"{{"presence":"changes","topic":"t","entered":[{entered}],"changed":[{changed}],"left":[{left}]}}"#
    )
}

fn snapshot(members: &str) -> String {
    format!(r#"{{"presence":"snapshot","topic":"t","members":[{members}]}}"#)
}

fn count(count: usize) -> String {
    format!(r#"{{"presence":"count","topic":"t","count":{count}}}"#)
}

#[test]
fn a_new_watcher_knows_what_the_others_know() {
    let mut harness = Harness::new();
    assert_eq!(harness.snapshot(), snapshot(""));
    harness.enter("bob", "1");
    harness.enter("ada", "1");
    assert_eq!(harness.snapshot(), snapshot(""));
    assert_eq!(
        harness.event().unwrap(),
        changes([r#"["ada",1],["bob",1]"#, "", ""])
    );
    assert_eq!(harness.snapshot(), snapshot(r#"["ada",1],["bob",1]"#));
    harness.enter("ada", "2");
    harness.enter("eve", "3");
    harness.leave("bob");
    assert_eq!(harness.snapshot(), snapshot(r#"["ada",1],["bob",1]"#));
    let event = changes([r#"["eve",3]"#, r#"["ada",2]"#, r#""bob""#]);
    assert_eq!(harness.event().unwrap(), event);
    assert_eq!(harness.snapshot(), snapshot(r#"["ada",2],["eve",3]"#));
}

#[test]
fn changes_that_cancel_out_are_no_event() {
    let mut harness = Harness::new();
    harness.enter("ada", "1");
    harness.event();
    harness.enter("bob", "1");
    harness.leave("bob");
    harness.leave("ada");
    harness.enter("ada", "2");
    harness.enter("ada", "1");
    assert_eq!(harness.event(), None);
    assert_eq!(harness.watch.due(harness.now), None);
    assert_eq!(harness.snapshot(), snapshot(r#"["ada",1]"#));
}

#[test]
fn the_first_change_is_due_at_once_and_the_next_one_a_tick_later() {
    let mut harness = Harness::new();
    assert_eq!(harness.watch.due(harness.now), None);
    harness.enter("ada", "1");
    let now = harness.now;
    assert_eq!(harness.watch.due(now), Some(now));
    assert!(
        harness
            .watch
            .next_event("t", &harness.roster, now)
            .is_some()
    );
    assert!(
        harness
            .watch
            .next_event("t", &harness.roster, now)
            .is_none()
    );
    harness.enter("bob", "1");
    assert_eq!(harness.watch.due(now), Some(now + LIMITS.tick));
}

#[test]
fn a_topic_above_the_limit_sends_counts_until_a_fifth_has_left() {
    let mut harness = Harness::new();
    harness.enter_some(0..10);
    assert!(harness.event().unwrap().contains("changes"));
    harness.enter_some([10]);
    assert_eq!(harness.event(), Some(count(11)));
    harness.enter_some([11]);
    assert_eq!(harness.snapshot(), count(11));
    assert_eq!(harness.event(), Some(count(12)));
    harness.enter("k000", "2");
    assert_eq!(harness.event(), None, "only a value has changed");
    harness.leave("k001");
    harness.leave("k002");
    harness.leave("k003");
    assert_eq!(harness.event(), Some(count(9)));
    assert_eq!(harness.snapshot(), count(9));
    for key in 4..11 {
        harness.leave(&format!("k{key:03}"));
    }
    let all = snapshot(r#"["k000",2],["k011",1]"#);
    assert_eq!(harness.event(), Some(all.clone()));
    assert_eq!(harness.snapshot(), all);
    harness.leave("k011");
    assert_eq!(harness.event().unwrap(), changes(["", "", r#""k011""#]));
}

#[test]
fn events_without_watchers_are_skipped() {
    let mut harness = Harness::new();
    harness.enter_some(0..2);
    harness.watch.skip_event(&harness.roster);
    assert_eq!(harness.watch.due(harness.now), None);
    assert_eq!(harness.snapshot(), snapshot(r#"["k000",1],["k001",1]"#));
    harness.enter_some(2..11);
    harness.watch.skip_event(&harness.roster);
    assert_eq!(harness.snapshot(), count(11));
    assert_eq!(harness.event(), None);
}

#[test]
fn a_snapshot_is_encoded_once() {
    let mut harness = Harness::new();
    harness.enter_some(0..9);
    harness.event();
    let address = |message: Message| message.as_bytes().as_ptr();
    let first = address(harness.watch.snapshot("t", &harness.roster));
    harness.enter_some([9]);
    let second = address(harness.watch.snapshot("t", &harness.roster));
    assert_eq!(first, second);
}

/// With counts, a topic keeps nothing for each key that changes.
#[test]
fn keys_are_not_kept_while_counts_are_sent() {
    let mut harness = Harness::new();
    harness.enter_some(0..11);
    harness.event();
    harness.enter_some(11..100);
    assert!(harness.watch.changes().known().is_empty());
    assert_eq!(harness.event(), Some(count(100)));
}

#[test]
fn every_event_says_whether_the_members_are_stale() {
    let mut harness = Harness::new();
    harness.enter("a", "1");
    harness.event();
    harness.watch.set_freshness(Freshness::Stale);
    let event = |content: &str, stale: &str| {
        let (kind, list) = content.split_once(' ').unwrap();
        Some(format!(
            r#"{{"presence":"{kind}","topic":"t",{list}{stale}}}"#
        ))
    };
    let (nothing, stale) = (
        r#"changes "entered":[],"changed":[],"left":[]"#,
        r#","stale":true"#,
    );
    assert_eq!(harness.event(), event(nothing, stale));
    assert_eq!(harness.event(), None);
    assert_eq!(
        Some(harness.snapshot()),
        event(r#"snapshot "members":[["a",1]]"#, stale)
    );
    harness.leave("a");
    let left = r#"changes "entered":[],"changed":[],"left":["a"]"#;
    assert_eq!(harness.event(), event(left, stale));
    harness.enter_some(0..11);
    assert_eq!(harness.event(), event(r#"count "count":11"#, stale));
    harness.watch.set_freshness(Freshness::Current);
    assert_eq!(harness.event(), event(r#"count "count":11"#, ""));
    assert_eq!(harness.event(), None);
    assert_eq!(Some(harness.snapshot()), event(r#"count "count":11"#, ""));
    // Without watchers there is no event, but the next one knows.
    harness.watch.set_freshness(Freshness::Stale);
    harness.watch.skip_event(&harness.roster);
    assert_eq!(harness.event(), None);
    assert_eq!(
        Some(harness.snapshot()),
        event(r#"count "count":11"#, stale)
    );
}

#[test]
fn above_the_limit_in_bytes_watchers_get_counts() {
    let mut harness = Harness::new();
    harness.watch = Watch::new(
        &PresenceLimits {
            list_bytes: 1_000,
            ..LIMITS
        },
        Freshness::Current,
    );
    harness.enter("a", &"1".repeat(480));
    harness.enter("b", &"1".repeat(480));
    assert!(
        harness
            .event()
            .unwrap()
            .starts_with(r#"{"presence":"changes""#)
    );
    harness.enter("\u{1}\"", &"1".repeat(30));
    assert_eq!(
        harness.event().as_deref(),
        Some(r#"{"presence":"count","topic":"t","count":3}"#)
    );
    assert_eq!(harness.roster.list_bytes(), 2 * 487 + 8 + 6 + 30);
    // Members follow again when four fifths are left.
    harness.enter("b", &"1".repeat(400));
    assert_eq!(harness.event(), None);
    harness.enter("b", &"1".repeat(200));
    let snapshot = harness.event().unwrap();
    assert!(snapshot.starts_with(r#"{"presence":"snapshot""#));
    let listed = snapshot.len() - r#"{"presence":"snapshot","topic":"t","members":[]}"#.len();
    // The first pair has no comma before it.
    assert_eq!(harness.roster.list_bytes(), listed + 1);
    for key in ["a", "b", "\u{1}\""] {
        harness.leave(key);
    }
    assert_eq!(harness.roster.list_bytes(), 0);
}
