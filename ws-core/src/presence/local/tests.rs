//! Connections enter and leave; records come out.

use super::*;

const TICK: Duration = Duration::from_millis(500);

fn id(number: u64) -> ConnectionId {
    ConnectionId::new(number)
}

struct Harness {
    local: LocalMembers,
    now: Instant,
}

impl Harness {
    fn new() -> Self {
        Self {
            local: LocalMembers::new(TICK),
            now: Instant::now(),
        }
    }

    fn enter(&mut self, key: &str, connection: u64, value: &str) -> Option<Change> {
        let record = self
            .local
            .enter(&key.into(), id(connection), value.into(), self.now);
        record.map(|record| record.change)
    }

    fn leave(&mut self, key: &str, connection: u64) -> Option<Change> {
        let record = self.local.leave(&key.into(), id(connection), self.now);
        record.map(|record| record.change)
    }

    /// The records that are due after a tick.
    fn tick(&mut self) -> Vec<(Key, Change)> {
        self.now += TICK;
        let records = self.local.flush(self.now).into_iter();
        records.map(|record| (record.key, record.change)).collect()
    }

    /// Lets the current window pass, in which nothing may have changed.
    fn pass(&mut self) {
        assert_eq!(self.tick(), []);
        assert_eq!(self.local.due(), None);
    }
}

fn entered(value: &str) -> Change {
    Change::Entered(value.into())
}

fn changed(value: &str) -> Change {
    Change::Changed(value.into())
}

#[test]
fn only_the_first_and_the_last_connection_of_a_key_are_recorded() {
    let mut harness = Harness::new();
    assert_eq!(harness.enter("ada", 1, "1"), Some(entered("1")));
    harness.pass();
    assert_eq!(harness.enter("ada", 2, "1"), None);
    assert_eq!(harness.leave("ada", 1), None);
    assert_eq!(harness.leave("ada", 1), None, "it has left already");
    assert_eq!(harness.local.due(), None);
    assert_eq!(harness.leave("ada", 2), Some(Change::Left));
    assert!(!harness.local.is_empty(), "a window is open");
    harness.pass();
    assert!(harness.local.is_empty());
}

#[test]
fn the_value_is_that_of_the_connection_that_has_entered_last() {
    let mut harness = Harness::new();
    harness.enter("ada", 1, "1");
    harness.pass();
    assert_eq!(harness.enter("ada", 2, "2"), Some(changed("2")));
    harness.pass();
    // It becomes the last one again.
    assert_eq!(harness.enter("ada", 1, "3"), Some(changed("3")));
    harness.pass();
    assert_eq!(harness.leave("ada", 1), Some(changed("2")));
    harness.pass();
    assert_eq!(harness.enter("ada", 2, "2"), None, "the same value");
    assert_eq!(harness.leave("ada", 2), Some(Change::Left));
}

#[test]
fn a_key_has_one_record_in_each_tick() {
    let mut harness = Harness::new();
    assert_eq!(harness.enter("ada", 1, "1"), Some(entered("1")));
    for value in ["2", "3", "4"] {
        assert_eq!(harness.enter("ada", 1, value), None);
    }
    // Other keys have their own.
    assert_eq!(harness.enter("bob", 1, "1"), Some(entered("1")));
    assert_eq!(harness.tick(), [("ada".into(), changed("4"))]);
    assert_eq!(harness.leave("ada", 1), None);
    assert_eq!(harness.enter("ada", 1, "4"), None);
    assert_eq!(harness.tick(), [], "it has left and entered again");
    assert_eq!(harness.leave("ada", 1), Some(Change::Left));
    assert_eq!(harness.enter("ada", 1, "5"), None);
    assert_eq!(harness.leave("ada", 1), None);
    assert_eq!(harness.tick(), [], "it has entered and left again");
    assert_eq!(harness.leave("bob", 1), Some(Change::Left));
    assert_eq!(harness.enter("bob", 1, "1"), None);
    assert_eq!(harness.tick(), [("bob".into(), entered("1"))]);
}

#[test]
fn nothing_is_due_before_the_end_of_the_tick() {
    let mut harness = Harness::new();
    harness.enter("ada", 1, "1");
    harness.leave("ada", 1);
    assert_eq!(harness.local.due(), Some(harness.now + TICK));
    assert_eq!(harness.local.flush(harness.now), []);
    assert_eq!(harness.tick(), [("ada".into(), Change::Left)]);
}

#[test]
fn all_members_enter_again_with_their_current_values() {
    let mut harness = Harness::new();
    harness.enter("ada", 1, "1");
    harness.enter("ada", 1, "2");
    harness.enter("bob", 2, "3");
    harness.leave("bob", 2);
    let records = harness.local.enter_again(harness.now);
    let key = "ada".into();
    let change = entered("2");
    assert_eq!(records, [Record { key, change }]);
    harness.pass();
}

#[test]
fn the_bytes_of_all_connections_are_counted() {
    let mut harness = Harness::new();
    harness.enter("ada", 1, "1");
    harness.enter("ada", 2, "22");
    harness.enter("ada", 3, "333");
    assert_eq!(harness.local.bytes(), 6 + 3 * ENTRY_BYTES);
    harness.enter("ada", 1, "4444");
    harness.enter("ada", 1, "55555");
    assert_eq!(harness.local.bytes(), 10 + 3 * ENTRY_BYTES);
    assert_eq!(
        harness.local.value_of(&"ada".into(), id(2)).map(|it| &**it),
        Some("22")
    );
    harness.leave("ada", 2);
    harness.leave("ada", 1);
    assert_eq!(harness.local.bytes(), 3 + ENTRY_BYTES);
    harness.leave("ada", 3);
    harness.leave("ada", 3);
    assert_eq!(harness.local.bytes(), 0);
}

#[test]
fn members_that_enter_again_within_a_tick_wait_for_its_end() {
    let mut harness = Harness::new();
    harness.enter("ada", 1, "1");
    harness.pass();
    assert_eq!(harness.leave("ada", 1), Some(Change::Left));
    assert_eq!(harness.local.waiting(), 0);
    assert_eq!(harness.enter("ada", 1, "1"), None);
    harness.enter("ada", 2, "1");
    assert_eq!(harness.local.waiting(), 1);
    harness.leave("ada", 1);
    harness.leave("ada", 2);
    assert_eq!(harness.local.waiting(), 0);
    harness.enter("ada", 2, "2");
    assert_eq!(harness.local.waiting(), 1);
    assert_eq!(harness.tick(), [("ada".into(), entered("2"))]);
    assert_eq!(harness.local.waiting(), 0);
}

#[test]
fn a_member_of_many_connections_loses_each_of_them_and_shows_the_newest() {
    const CONNECTIONS: u64 = 1_000;
    let mut harness = Harness::new();
    for connection in 1..=CONNECTIONS {
        harness.enter("guest", connection, &connection.to_string());
    }
    harness.tick();
    harness.tick();
    // In the middle, then the newest, then all others.
    assert_eq!(harness.leave("guest", 500), None);
    let newest = changed(&(CONNECTIONS - 1).to_string());
    assert_eq!(harness.leave("guest", CONNECTIONS), Some(newest));
    for connection in 1..CONNECTIONS {
        harness.leave("guest", connection);
    }
    harness.tick();
    assert_eq!(harness.local.bytes(), 0);
    harness.tick();
    assert!(harness.local.is_empty());
}
