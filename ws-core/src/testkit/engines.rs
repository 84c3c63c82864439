//! A test suite for engines of the log.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use tokio::time::{Instant, sleep};

use crate::log::shared::{
    Append, Census, Engine, EngineError, Incarnation, Kept, LaneRead, Opened, READ_WAIT, ReadFrom,
};
use crate::log::{EntryId, Generation, Lane};

mod histories;
mod members;
mod replaced;

pub use replaced::{check_replaced, check_trimmed};

/// Runs the suite for an engine with at least two lanes.
///
/// No other client may use the engine meanwhile. The suite appends to the lanes 0 and 1, and leaves
/// entries and histories there.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
/// #     .block_on(async {
/// use ws_server::cluster::{Generation, Lanes};
/// use ws_server::testkit::{MemoryEngine, engines::check_engine};
///
/// check_engine(&MemoryEngine::new(Lanes::DEFAULT, Generation(1))).await;
/// # });
/// ```
///
/// # Panics
///
/// Panics if the engine violates the contract of [`Engine`].
pub async fn check_engine(engine: &impl Engine) {
    a_lane_is_opened_behind_its_marker(engine).await;
    entries_are_read_once_and_in_order(engine).await;
    the_end_of_a_lane_is_found(engine).await;
    lanes_have_entries_of_their_own(engine).await;
    concurrent_appends_are_all_kept(engine).await;
    another_generation_is_refused(engine).await;
    a_read_waits_for_the_first_entry(engine).await;
    relayed_entries_are_apart_from_the_others(engine).await;
    each_lane_gets_its_relayed_entries_once(engine).await;
    histories::check(engine).await;
    members::check(engine).await;
}

/// The author of the suite's entries.
const AUTHOR: Incarnation = Incarnation(0x5017e);

/// The number of the last entry, in all lanes.
static NUMBER: AtomicU64 = AtomicU64::new(0);

/// The number of the last read.
static ROUND: AtomicU64 = AtomicU64::new(0);

/// A lane of the engine that a check uses.
struct OpenedLane<'e, E> {
    engine: &'e E,
    lane: Lane,
    opened: Opened,
}

impl<'e, E: Engine> OpenedLane<'e, E> {
    async fn open(engine: &'e E, lane: Lane) -> Self {
        let opened = engine.open(lane).await.expect("`open` fails");
        Self {
            engine,
            lane,
            opened,
        }
    }

    /// An entry with the next number.
    fn entry(&self, text: &str) -> Append {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed) + 1;
        new_append(self.lane, &self.opened, number, text)
    }

    async fn append(&self, text: &str) -> EntryId {
        let append = self.entry(text);
        self.engine.append(&append).await.expect("`append` fails")
    }

    async fn append_kept(&self, text: &str, kept: Vec<Kept>) -> (EntryId, Append) {
        let append = Append {
            kept,
            ..self.entry(text)
        };
        let id = self.engine.append(&append).await.expect("`append` fails");
        (id, append)
    }

    fn from(&self, after: EntryId) -> ReadFrom {
        new_read(self.lane, &self.opened, after)
    }

    async fn read(&self, after: EntryId, most: usize) -> LaneRead {
        let round = ROUND.fetch_add(1, Ordering::Relaxed) + 1;
        let from = ReadFrom {
            round,
            ..self.from(after)
        };
        let read = self.engine.read(&[from], most).await;
        let mut read = read.expect("`read` fails");
        assert_eq!(read.len(), 1, "`read` must return each lane once");
        let read = read.remove(0);
        assert!(read.round <= round, "a read of a later round");
        read
    }

    /// Reads to the end of the lane, in reads of a few entries.
    async fn read_all(&self, mut after: EntryId) -> Vec<(EntryId, String)> {
        let mut all = Vec::new();
        loop {
            let read = self.read(after, 3).await;
            assert!(read.entries.len() <= 3, "more entries than were requested");
            if let Some((last, _)) = read.entries.last() {
                after = *last;
            }
            all.extend(texts(&read));
            if read.is_end {
                return all;
            }
        }
    }

    /// A census of the whole lane.
    async fn end(&self) -> Census {
        self.census(self.opened.start).await
    }

    /// A census after an entry, which an engine may leave out of some reads.
    async fn census(&self, after: EntryId) -> Census {
        for _ in 0..5 {
            if let Some(census) = self.read(after, 64).await.census {
                return census;
            }
            sleep(READ_WAIT / 4).await;
        }
        panic!("five reads in a row have no census");
    }
}

/// Creates an entry with this text, for tests of an engine; the number must be that of no other
/// entry of the suite's incarnation, and higher than the last.
pub fn new_append(lane: Lane, opened: &Opened, number: u64, text: &str) -> Append {
    Append {
        lane,
        generation: opened.generation,
        incarnation: AUTHOR,
        number,
        entry: Bytes::copy_from_slice(text.as_bytes()),
        kept: Vec::new(),
        is_withdrawn: false,
    }
}

/// Creates a message for the history of a topic that keeps the last 100, for tests of an engine.
pub fn new_kept(topic: &str, text: &str) -> Kept {
    histories::kept(topic, 1, 100, text)
}

/// Creates the place behind an entry of a lane, for tests of an engine.
pub fn new_read(lane: Lane, opened: &Opened, after: EntryId) -> ReadFrom {
    ReadFrom {
        lane,
        generation: opened.generation,
        after,
        relayed_after: opened.relayed,
        round: 0,
    }
}

fn texts(read: &LaneRead) -> impl Iterator<Item = (EntryId, String)> {
    let entries = read.entries.iter();
    entries.map(|(id, entry)| (*id, String::from_utf8_lossy(entry).into_owned()))
}

async fn a_lane_is_opened_behind_its_marker(engine: &impl Engine) {
    let lane = OpenedLane::open(engine, Lane(0)).await;
    let again = OpenedLane::open(engine, Lane(0)).await;
    assert_eq!(
        lane.opened, again.opened,
        "two nodes open a lane differently"
    );
    assert!(lane.opened.added >= 1, "the marker counts as an entry");
    let entries = lane.read_all(lane.opened.start).await;
    let last = entries.last().map_or(lane.opened.start, |(id, _)| *id);
    let census = lane.census(last).await;
    assert_eq!(census.added, lane.opened.added + entries.len() as u64);
    assert_eq!(census.last, last);
}

async fn entries_are_read_once_and_in_order(engine: &impl Engine) {
    let lane = OpenedLane::open(engine, Lane(0)).await;
    let start = lane.end().await;
    let mut appended = Vec::new();
    for number in 0..10 {
        let text = format!("entry {number} \0\r\n");
        appended.push((lane.append(&text).await, text));
    }
    assert!(
        appended.is_sorted_by(|(one, _), (next, _)| one < next),
        "ids must increase: {appended:?}"
    );
    let all = lane.read_all(start.last).await;
    assert_eq!(all, appended, "not what was appended");
    // From the middle, and from the end.
    assert_eq!(lane.read_all(appended[6].0).await, appended[7..]);
    assert_eq!(lane.read_all(appended[9].0).await, []);
    let census = lane.census(appended[9].0).await;
    let expected = (start.added + 10, appended[9].0);
    assert_eq!((census.added, census.last), expected);
    assert!(census.removed <= start.added, "a new entry was removed");
    // A large entry, and one of all bytes.
    let large = "x".repeat(300 * 1024);
    let id = lane.append(&large).await;
    assert_eq!(lane.read_all(appended[9].0).await, [(id, large)]);
    let bytes: Vec<u8> = (0..=u8::MAX).collect();
    let append = Append {
        entry: bytes.clone().into(),
        ..lane.entry("")
    };
    let last = engine.append(&append).await.expect("`append` fails");
    let read = lane.read(id, 64).await;
    assert_eq!(read.entries, [(last, Bytes::from(bytes))]);
}

async fn the_end_of_a_lane_is_found(engine: &impl Engine) {
    let lane = OpenedLane::open(engine, Lane(0)).await;
    let start = lane.end().await.last;
    for text in ["1", "2", "3"] {
        lane.append(text).await;
    }
    let part = lane.read(start, 2).await;
    assert!(!part.is_end, "an entry is behind {part:?}");
    assert_eq!(lane.read_all(start).await.len(), 3);
    let last = lane.end().await.last;
    let rest = lane.read(last, 2).await;
    assert!(rest.is_end && rest.entries.is_empty(), "not {rest:?}");
}

async fn lanes_have_entries_of_their_own(engine: &impl Engine) {
    let zero = OpenedLane::open(engine, Lane(0)).await;
    let one = OpenedLane::open(engine, Lane(1)).await;
    let ends = [zero.end().await.last, one.end().await.last];
    let (a, b) = (zero.append("a").await, one.append("b").await);
    let from = [one.from(ends[1]), zero.from(ends[0])];
    let mut read = Vec::new();
    // An engine may return as soon as one lane has an entry.
    for _ in 0..5 {
        read = engine.read(&from, 64).await.expect("`read` fails");
        if read.iter().all(|read| !read.entries.is_empty()) {
            break;
        }
    }
    assert_eq!(read.len(), 2, "`read` must return each lane once");
    for read in &read {
        let expected = match read.lane {
            Lane(0) => (a, "a".to_owned()),
            _ => (b, "b".to_owned()),
        };
        let texts: Vec<_> = texts(read).collect();
        assert_eq!(texts, [expected], "the entries of {:?}", read.lane);
    }
}

async fn concurrent_appends_are_all_kept(engine: &impl Engine) {
    let lane = OpenedLane::open(engine, Lane(1)).await;
    let end = lane.end().await.last;
    let appends: Vec<Append> = (0..32)
        .map(|node| Append {
            incarnation: Incarnation(AUTHOR.0 + 1 + node),
            ..lane.entry(&node.to_string())
        })
        .collect();
    let ids = join_all(appends.iter().map(|append| engine.append(append))).await;
    let mut expected: Vec<_> = ids
        .into_iter()
        .zip(0..)
        .map(|(id, node)| (id.expect("`append` fails"), node.to_string()))
        .collect();
    expected.sort_unstable();
    assert_eq!(lane.read_all(end).await, expected, "not what was appended");
}

async fn another_generation_is_refused(engine: &impl Engine) {
    let lane = OpenedLane::open(engine, Lane(0)).await;
    let before = lane.end().await;
    let other = Generation(lane.opened.generation.0.wrapping_add(1));
    let append = Append {
        generation: other,
        ..lane.entry("of another generation")
    };
    let appended = engine.append(&append).await;
    assert_eq!(appended, Err(EngineError::Generation));
    let kept = vec![histories::kept("suite/refused", 1, 9, "m")];
    let append = Append { kept, ..append };
    let appended = engine.append(&append).await;
    assert_eq!(appended, Err(EngineError::Generation));
    let from = ReadFrom {
        generation: other,
        ..lane.from(EntryId::ZERO)
    };
    let read = engine.read(&[from], 64).await;
    assert_eq!(read, Err(EngineError::Generation));
    let after = lane.end().await;
    assert_eq!(after, before, "a refused append has changed the lane");
    let history = histories::texts(engine, "suite/refused", 9).await;
    assert_eq!(history, [""; 0], "a refused append has changed a history");
}

async fn a_read_waits_for_the_first_entry(engine: &impl Engine) {
    let lane = OpenedLane::open(engine, Lane(0)).await;
    let end = lane.end().await.last;
    let begin = Instant::now();
    let read = lane.read(end, 64).await;
    assert_eq!(read.entries, [], "an empty lane has entries");
    let waited = begin.elapsed();
    assert!(
        waited >= READ_WAIT / 2 && waited < READ_WAIT * 5,
        "a read without entries takes {waited:?}"
    );
    let append = lane.entry("late");
    let append_later = async {
        sleep(READ_WAIT / 4).await;
        engine.append(&append).await.expect("`append` fails")
    };
    let (read, id) = tokio::join!(lane.read(end, 64), append_later);
    let texts: Vec<_> = texts(&read).collect();
    assert_eq!(texts, [(id, "late".to_owned())], "a read misses an entry");
}

async fn relayed_entries_are_apart_from_the_others(engine: &impl Engine) {
    let mut lane = OpenedLane::open(engine, Lane(1)).await;
    let before = lane.end().await;
    for text in ["relayed 1", "relayed 2"] {
        let relayed = engine.relay(lane.lane, Bytes::from_static(text.as_bytes()));
        relayed.await.expect("`relay` fails");
    }
    let read = lane.read(before.last, 64).await;
    assert_eq!(read.entries, [], "a relayed entry is in the log");
    let texts: Vec<_> = read.relayed.iter().map(|(_, text)| &text[..]).collect();
    assert_eq!(texts, [b"relayed 1", b"relayed 2"]);
    let after = lane.census(before.last).await;
    assert_eq!(after, before, "a relayed entry is counted");
    // A node that opens the lane now does not get them, and one that has read them not again.
    let opened = engine.open(lane.lane).await.expect("`open` fails");
    assert_eq!(opened.relayed, read.relayed[1].0);
    lane.opened.relayed = opened.relayed;
    lane.append("not relayed").await;
    let read = lane.read(before.last, 64).await;
    assert_eq!((read.relayed.len(), read.entries.len()), (0, 1));
}

async fn each_lane_gets_its_relayed_entries_once(engine: &impl Engine) {
    let mut from = Vec::new();
    for lane in [Lane(1), Lane(2)] {
        let lane = OpenedLane::open(engine, lane).await;
        let end = lane.end().await;
        from.push(new_read(lane.lane, &lane.opened, end.last));
    }
    // Those of the other lane are not read.
    for (lane, text) in [(1, "1"), (2, "2"), (0, "0"), (2, "3"), (1, "4")] {
        let relayed = engine.relay(Lane(lane), Bytes::from_static(text.as_bytes()));
        relayed.await.expect("`relay` fails");
    }
    let mut texts = [Vec::new(), Vec::new()];
    while texts.iter().any(|texts| texts.len() < 2) {
        for read in engine.read(&from, 64).await.expect("`read` fails") {
            let place = from.iter().position(|from| from.lane == read.lane);
            let place = place.expect("a lane that was asked for");
            for (id, text) in read.relayed {
                assert!(id > from[place].relayed_after, "{text:?} is read again");
                from[place].relayed_after = id;
                texts[place].push(text);
            }
        }
    }
    assert_eq!(texts, [["1", "4"], ["2", "3"]]);
}

/// Longer than the checks of a history take.
const KEEP: Duration = Duration::from_secs(60);
