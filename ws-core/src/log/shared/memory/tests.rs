//! The engine in memory: what is appended can be read, until it is trimmed or the server restarts.

use std::time::Duration;

use super::*;
use crate::log::shared::entry::{Body, Entry, LoggedMessage, Record};

const LANE: Lane = Lane(1);

fn memory() -> MemoryEngine {
    MemoryEngine::new(Lanes::new(2).unwrap(), Generation(1))
}

fn topic() -> TopicName {
    TopicName::new("t".to_owned())
}

fn append(generation: u64, number: u64, kept: Vec<Kept>) -> Append {
    let message = LoggedMessage {
        topic: topic(),
        message: Message::text(number.to_string()),
        history: None,
        except: None,
        is_volatile: false,
    };
    let record = Record::Message(message);
    let incarnation = Incarnation(7);
    let entry = Entry {
        behind: EntryId::ZERO,
        incarnation,
        number,
        body: Body::Records(vec![record]),
    };
    Append {
        lane: LANE,
        generation: Generation(generation),
        incarnation,
        number,
        entry: entry.encode(),
        kept,
        is_withdrawn: false,
    }
}

fn from(generation: u64, after: EntryId) -> [ReadFrom; 1] {
    [ReadFrom {
        lane: LANE,
        generation: Generation(generation),
        after,
        relayed_after: EntryId::ZERO,
        round: 1,
    }]
}

#[tokio::test(start_paused = true)]
async fn what_is_appended_can_be_read_behind_the_marker() {
    let memory = memory();
    let opened = memory.open(LANE).await.unwrap();
    assert_eq!((opened.generation, opened.added), (Generation(1), 1));
    let mut ids = Vec::new();
    for number in 1..=3 {
        ids.push(memory.append(&append(1, number, Vec::new())).await.unwrap());
    }
    let reads = memory.read(&from(1, opened.start), 2).await.unwrap();
    let read: Vec<_> = reads[0].entries.iter().map(|(id, _)| *id).collect();
    assert_eq!(read, ids[..2]);
    memory.trim(LANE, 1);
    let opened = memory.open(LANE).await.unwrap();
    assert_eq!((opened.start, opened.added), (ids[1], 3));
    let census = memory.read(&from(1, ids[2]), 2).await.unwrap()[0]
        .census
        .unwrap();
    let last = ids[2];
    assert_eq!(
        census,
        Census {
            added: 4,
            removed: 3,
            last
        }
    );
}

#[tokio::test(start_paused = true)]
async fn a_read_waits_for_an_entry_but_not_for_ever() {
    let memory = memory();
    let start = memory.open(LANE).await.unwrap().start;
    let begin = Instant::now();
    let reads = memory.read(&from(1, start), 2).await.unwrap();
    assert!(reads[0].entries.is_empty());
    assert_eq!(begin.elapsed(), READ_WAIT);
    let writer = memory.clone();
    tokio::spawn(async move {
        tokio::time::sleep(READ_WAIT / 2).await;
        writer.append(&append(1, 1, Vec::new())).await.unwrap();
    });
    let reads = memory.read(&from(1, start), 2).await.unwrap();
    assert_eq!(reads[0].entries.len(), 1);
    assert_eq!(begin.elapsed(), READ_WAIT * 3 / 2);
}

#[tokio::test(start_paused = true)]
async fn a_restart_is_another_generation_with_later_ids() {
    let memory = memory();
    memory.append(&append(1, 1, Vec::new())).await.unwrap();
    let saved = memory.snapshot();
    let lost = memory.append(&append(1, 2, Vec::new())).await.unwrap();
    memory.restart(saved, Generation(2));
    let stale = memory.append(&append(1, 3, Vec::new())).await;
    assert!(matches!(stale, Err(EngineError::Generation)));
    let stale = memory.read(&from(1, lost), 2).await;
    assert!(matches!(stale, Err(EngineError::Generation)));
    let opened = memory.open(LANE).await.unwrap();
    assert!(opened.start > lost);
    let id = memory.append(&append(2, 3, Vec::new())).await.unwrap();
    let reads = memory.read(&from(2, opened.start), 9).await.unwrap();
    assert_eq!(reads[0].entries.len(), 1);
    let census = reads[0].census.unwrap();
    assert_eq!((census.last, census.added), (id, opened.added + 1));
}

#[tokio::test(start_paused = true)]
async fn a_repeated_entry_does_not_double_the_history() {
    let memory = memory();
    let limits = HistoryLimits {
        messages: 2.try_into().unwrap(),
        keep: Duration::from_secs(10),
    };
    for number in [1, 2, 1, 3, 3, 2] {
        let kept = Kept {
            index: 1,
            topic: topic(),
            limits,
            message: Message::text(number.to_string()),
        };
        let append = append(1, number, vec![kept]);
        memory.append(&append).await.unwrap();
    }
    let history = memory.history(LANE, &topic(), 9).await.unwrap();
    let texts: Vec<_> = history
        .iter()
        .map(|kept| kept.message.as_text().unwrap())
        .collect();
    assert_eq!(texts, ["2", "3"]);
    assert_eq!((history[1].index, history[1].entry.time), (1, 6));
}

#[tokio::test]
async fn members_are_recorded_changed_and_removed() {
    let memory = memory();
    let change = |key: &'static str, value: Option<&'static str>| MemberChange {
        key: key.into(),
        value: value.map(Bytes::from),
    };
    let (a, b) = (Incarnation(1), Incarnation(2));
    let changes = [change("ada", Some("1")), change("bob", Some("1"))];
    memory.record_members(a, &changes).await.unwrap();
    let changes = [change("ada", Some("2"))];
    memory.record_members(b, &changes).await.unwrap();
    let changes = [change("ada", None), change("bob", Some("3"))];
    memory.record_members(a, &changes).await.unwrap();
    let all = async || {
        let members = memory.all_members().await.unwrap().into_iter();
        let mut members: Vec<_> = members.map(|it| (it.node.0, it.key, it.value)).collect();
        members.sort_unstable();
        members
    };
    let bob = (1, "bob".into(), "3".into());
    let ada = (2, "ada".into(), "2".into());
    assert_eq!(all().await, [bob, ada.clone()]);
    memory.remove_members(a).await.unwrap();
    assert_eq!(all().await, [ada]);
}

#[tokio::test(start_paused = true)]
async fn relayed_entries_are_in_no_generation_and_only_the_last_are_kept() {
    let memory = memory();
    for number in 0..=RELAYED_ENTRIES {
        let entry = Bytes::from(number.to_string());
        memory.relay(LANE, entry).await.unwrap();
    }
    let reads = memory.read(&from(1, EntryId::ZERO), 2).await.unwrap();
    let texts: Vec<_> = reads[0].relayed.iter().map(|(_, text)| &text[..]).collect();
    assert_eq!(texts, [b"1", b"2"]);
    let last = memory.open(LANE).await.unwrap().relayed;
    let mut from = from(1, EntryId::ZERO);
    from[0].relayed_after = last;
    assert_eq!(memory.read(&from, 2).await.unwrap()[0].relayed, []);
}
