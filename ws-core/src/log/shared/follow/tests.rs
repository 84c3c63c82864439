//! What a follower makes of the entries of one lane.

use super::*;
use crate::log::name::TopicName;
use crate::log::position::Generation;
use crate::log::shared::engine::Census;
use crate::log::shared::entry::{Heartbeat, VERSIONS};
use crate::message::Message;

mod relayed;

const A: Incarnation = Incarnation(1);
const B: Incarnation = Incarnation(2);
const LANE: Lane = Lane(0);

struct Log {
    follower: Follower,
    time: u64,
    generation: Generation,
    /// The last read that has begun.
    round: u64,
    events: Vec<String>,
}

impl Log {
    /// A follower that has read its only lane to the end.
    fn new() -> Self {
        let mut log = Self {
            follower: Follower::new(Lanes::new(1).unwrap(), 1),
            time: 100,
            generation: Generation(1),
            round: 0,
            events: Vec::new(),
        };
        log.open(1, 100, 7);
        log.read(&[]);
        log.begin_read();
        assert!(log.follower.is_caught_up());
        log.events.clear();
        log
    }

    fn open(&mut self, generation: u64, start: u64, added: u64) {
        self.generation = Generation(generation);
        let opened = Opened {
            generation: self.generation,
            start: EntryId::new(start, 0),
            added,
            relayed: EntryId::ZERO,
        };
        let events = &mut self.events;
        self.follower
            .opened(LANE, &opened, &mut |event| events.push(show(&event)));
    }

    fn begin_read(&mut self) -> ReadFrom {
        let from = self.follower.begin_read().remove(0);
        self.round = from.round;
        from
    }

    fn read_with(&mut self, bodies: &[Bytes], census: Option<Census>) -> Vec<String> {
        let mut entries = Vec::new();
        for bytes in bodies {
            self.time += 1;
            entries.push((EntryId::new(self.time, 0), bytes.clone()));
        }
        let read = LaneRead {
            lane: LANE,
            generation: self.generation,
            entries,
            relayed: Vec::new(),
            is_end: true,
            round: self.round,
            census,
        };
        let events = &mut self.events;
        self.follower
            .apply(read, &mut |event| events.push(show(&event)));
        std::mem::take(&mut self.events)
    }

    fn read(&mut self, bodies: &[Bytes]) -> Vec<String> {
        self.read_with(bodies, None)
    }
}

fn show(event: &Event<'_>) -> String {
    let offset = event.at().offset;
    let at = format!("{}.{}", offset.entry.time, offset.index);
    match event {
        Event::Started { .. } => format!("{at} started"),
        Event::Message { message, .. } => format!("{at} {}", text(message)),
        Event::Relayed {
            author, message, ..
        } => {
            format!("{at} {} relays {}", author.0, text(message))
        }
        Event::Record { author, record, .. } => format!("{at} {} {record:?}", author.0),
        Event::Heartbeat { author, .. } => format!("{at} {} lives", author.0),
        Event::Entry {
            author,
            number,
            content,
            ..
        } => format!("{at} {}#{number} {content:?}", author.0),
        Event::Skipped { .. } => format!("{at} skipped"),
        Event::Reset { reason, .. } => format!("{at} reset {reason:?}"),
    }
}

fn text(message: &LoggedMessage) -> String {
    let text = message.message.as_text().unwrap();
    format!("{} {text}", message.topic.as_str())
}

fn entry(incarnation: Incarnation, number: u64, body: Body) -> Bytes {
    Entry {
        incarnation,
        number,
        // Everything that these tests read.
        behind: EntryId::new(1_000, 0),
        body,
    }
    .encode()
}

fn text_message(text: &'static str) -> LoggedMessage {
    LoggedMessage {
        topic: TopicName::new("t".to_owned()),
        message: Message::from(text),
        history: None,
        except: None,
        is_volatile: false,
    }
}

fn message(incarnation: Incarnation, number: u64, text: &'static str) -> Bytes {
    let record = Record::Message(text_message(text));
    entry(incarnation, number, Body::Records(vec![record]))
}

/// An entry of an author that has read up to this entry before it was sent.
fn sent_behind(incarnation: Incarnation, number: u64, time: u64, record: Record) -> Bytes {
    Entry {
        incarnation,
        number,
        behind: EntryId::new(time, 0),
        body: Body::Records(vec![record]),
    }
    .encode()
}

fn heartbeat(incarnation: Incarnation, number: u64, accepted: u64) -> Bytes {
    let heartbeat = Heartbeat {
        versions: VERSIONS,
        accepted: vec![accepted],
        connections: 3,
        lag: std::time::Duration::from_millis(7),
    };
    entry(incarnation, number, Body::Heartbeat(heartbeat))
}

#[test]
fn repeated_entries_are_dropped_and_the_first_copy_counts() {
    let mut log = Log::new();
    let events = log.read(&[
        message(A, 1, "x"),
        message(B, 1, "y"),
        message(A, 1, "x"),
        entry(B, 2, Body::Empty),
        message(B, 2, "z"),
    ]);
    let expected = [
        "101.1 t x",
        "101.1 1#1 Records",
        "102.1 t y",
        "102.1 2#1 Records",
        "103.0 skipped",
        "104.0 2#2 Empty",
        "105.0 skipped",
    ];
    assert_eq!(events, expected);
    assert_eq!(log.follower.skipped().repeated, 2);
    let from = log.begin_read();
    assert_eq!(from.after, EntryId::new(105, 0));
}

#[test]
fn a_jump_in_the_numbers_resets_before_the_next_message() {
    let mut log = Log::new();
    log.read(&[message(A, 1, "x")]);
    let events = log.read(&[message(A, 3, "z")]);
    assert_eq!(
        events,
        ["102.0 reset Lost", "102.1 t z", "102.1 1#3 Records"]
    );
}

#[test]
fn a_heartbeat_reveals_the_loss_of_the_last_entry() {
    let mut log = Log::new();
    log.read(&[message(A, 1, "x")]);
    let events = log.read(&[heartbeat(A, 2, 3)]);
    assert_eq!(events, ["102.0 1 lives", "102.0 1#2 Records"]);
    log.begin_read();
    assert_eq!(log.read(&[]), ["102.0 reset Lost"]);
    log.begin_read();
    assert_eq!(log.read(&[message(A, 4, "y")]).len(), 2);
}

#[test]
fn a_new_generation_resets_and_continues_behind_its_marker() {
    let mut log = Log::new();
    log.read(&[message(A, 1, "x")]);
    log.open(1, 100, 7);
    assert_eq!(log.read(&[]), [""; 0], "the same generation");
    log.open(2, 200, 9);
    log.time = 200;
    let events = log.read(&[message(A, 1, "x"), message(A, 2, "y")]);
    let expected = [
        "200.65535 reset Generation",
        "201.0 skipped",
        "202.1 t y",
        "202.1 1#2 Records",
    ];
    assert_eq!(events, expected);
    // A marker in the lane itself does the same.
    let marker = |generation| Entry {
        behind: EntryId::ZERO,
        incarnation: Incarnation::NONE,
        number: 0,
        body: Body::Marker(Generation(generation)),
    };
    let events = log.read(&[marker(2).encode(), marker(3).encode(), message(A, 4, "z")]);
    assert_eq!(
        events[..3],
        [
            "203.0 skipped",
            "204.0 reset Generation",
            "205.0 reset Lost"
        ]
    );
    // What was read with the former generation is late.
    assert_eq!(log.read(&[message(A, 5, "w")]), [""; 0]);
}

#[test]
fn the_census_reveals_entries_that_were_removed_unread() {
    let mut log = Log::new();
    let last = |time| EntryId::new(time, 0);
    let census = |added, removed, time| {
        let last = last(time);
        Some(Census {
            added,
            removed,
            last,
        })
    };
    // Seven entries before the start, and one since.
    let events = log.read_with(&[message(A, 1, "x")], census(8, 3, 101));
    assert_eq!(events.len(), 2);
    // The reader lags behind: it has read nine of twenty, of which five are removed.
    assert_eq!(
        log.read_with(&[message(A, 2, "y")], census(20, 5, 120))
            .len(),
        2
    );
    assert_eq!(
        log.read_with(&[], census(20, 10, 120)),
        ["102.1 reset Lost"]
    );
    log.time = 119;
    let events = log.read_with(&[message(A, 3, "z")], census(20, 10, 120));
    assert_eq!(events.last().unwrap(), "120.1 reset Lost");
    assert_eq!(
        log.read_with(&[message(A, 4, "w")], census(21, 10, 121))
            .len(),
        2
    );
    // Everything is removed.
    assert_eq!(
        log.read_with(&[], census(25, 25, 130)),
        ["130.65535 reset Lost"]
    );
    assert_eq!(log.begin_read().after, last(130));
    // The reader lags behind the oldest entry: the reset is before the next message.
    log.time = 140;
    let events = log.read_with(&[message(A, 5, "v")], census(40, 30, 150));
    assert_eq!(events[..2], ["141.0 reset Lost", "141.1 t v"]);
}

#[test]
fn an_entry_whose_first_copy_may_be_unread_is_skipped_with_a_reset() {
    let mut log = Log::new();
    log.read_with(&[message(A, 1, "x")], None);
    // Entries up to 109 were removed unread.
    let census = Census {
        added: 20,
        removed: 15,
        last: EntryId::new(110, 0),
    };
    log.time = 109;
    let events = log.read_with(&[message(A, 2, "y")], Some(census));
    assert_eq!(events[..2], ["110.0 reset Lost", "110.1 t y"]);
    let text = |text: &'static str| Record::Message(text_message(text));
    let events = log.read(&[
        sent_behind(A, 3, 109, text("z")),
        sent_behind(B, 1, 109, Record::Cleared),
        sent_behind(A, 3, 109, text("z")),
        entry(B, 2, Body::Empty),
        sent_behind(A, 4, 110, text("w")),
    ]);
    let expected = [
        "111.65535 reset Uncertain",
        "112.65535 reset Lost",
        "113.0 skipped",
        "114.0 2#2 Empty",
        "115.1 t w",
        "115.1 1#4 Records",
    ];
    assert_eq!(events, expected);
    let skipped = log.follower.skipped();
    assert_eq!((skipped.uncertain, skipped.repeated), (2, 1));
    // A reader of the whole generation has missed nothing.
    log.open(2, 200, 1);
    log.time = 200;
    let events = log.read(&[sent_behind(A, 5, 200, text("v"))]);
    assert_eq!(events[1..], ["201.1 t v", "201.1 1#5 Records"]);
}

/// Whoever missed the entries before it has missed more than its messages.
#[test]
fn a_jump_in_the_numbers_behind_which_an_entry_is_uncertain_is_a_loss() {
    let mut log = Log::new();
    log.read(&[message(A, 1, "x")]);
    // A later generation, of which the first entries were removed.
    log.open(2, 200, 5);
    log.time = 200;
    let text = |text: &'static str| Record::Message(text_message(text));
    let events = log.read(&[
        sent_behind(A, 9, 199, text("y")),
        sent_behind(A, 10, 199, text("z")),
    ]);
    let expected = [
        "200.65535 reset Generation",
        "201.65535 reset Lost",
        "202.65535 reset Uncertain",
    ];
    assert_eq!(events, expected);
}

#[test]
fn an_answer_that_began_before_a_heartbeat_or_is_a_part_reveals_no_loss() {
    let mut log = Log::new();
    log.read(&[message(A, 1, "x")]);
    let before = log.begin_read().round;
    log.read(&[heartbeat(A, 2, 3)]);
    let now = log.begin_read().round;
    let mut answer = |round, is_end| {
        let read = LaneRead {
            lane: LANE,
            generation: Generation(1),
            entries: Vec::new(),
            relayed: Vec::new(),
            is_end,
            round,
            census: None,
        };
        let mut events = Vec::new();
        log.follower
            .apply(read, &mut |event| events.push(show(&event)));
        events
    };
    assert_eq!(answer(before, true), [""; 0]);
    assert_eq!(answer(now, false), [""; 0]);
    assert_eq!(answer(now, true), ["102.0 reset Lost"]);
}

#[test]
fn entries_that_cannot_be_read_are_skipped_and_counted() {
    let mut log = Log::new();
    let mut newer = message(A, 1, "x").to_vec();
    newer[2] = 9;
    let cut = message(A, 1, "x").slice(..18);
    let events = log.read(&[Bytes::from_static(b"hello"), newer.into(), cut]);
    assert_eq!(events, ["101.0 skipped", "102.0 skipped", "103.0 skipped"]);
    let skipped = log.follower.skipped();
    assert_eq!(
        (skipped.foreign, skipped.newer, skipped.malformed),
        (1, 1, 1)
    );
}
