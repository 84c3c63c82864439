//! Checks that histories keep what the limits allow, and each message once.

use std::num::NonZeroU32;
use std::time::Duration;

use tokio::time::sleep;

use super::{KEEP, OpenedLane};
use crate::log::shared::{Append, Engine, HistoryMessage, Kept};
use crate::log::{HistoryLimits, Lane, TopicName};
use crate::message::Message;

/// The lane of the topics of these checks.
const LANE: Lane = Lane(1);

/// A time that passes in a check.
const SHORT: Duration = Duration::from_secs(1);

pub(super) async fn check(engine: &impl Engine) {
    the_last_messages_of_a_topic_are_kept(engine).await;
    a_history_of_the_latest_has_one_message(engine).await;
    an_entry_with_more_messages_than_a_history_leaves_the_last_ones(engine).await;
    a_repeated_entry_changes_no_history(engine).await;
    a_withdrawn_entry_reaches_no_history(engine).await;
    old_messages_are_not_returned(engine).await;
}

/// A message of an entry, at this index, for a topic that keeps `messages`.
pub(super) fn kept(topic: &str, index: u16, messages: u32, text: &str) -> Kept {
    Kept {
        index,
        topic: TopicName::new(topic.to_owned()),
        limits: HistoryLimits {
            messages: NonZeroU32::new(messages).unwrap_or(NonZeroU32::MIN),
            keep: KEEP,
        },
        message: Message::text(text.to_owned()),
    }
}

async fn history(engine: &impl Engine, topic: &str, last: usize) -> Vec<HistoryMessage> {
    let topic = TopicName::new(topic.to_owned());
    let history = engine.history(LANE, &topic, last).await;
    history.expect("`history` fails")
}

pub(super) async fn texts(engine: &impl Engine, topic: &str, last: usize) -> Vec<String> {
    let history = history(engine, topic, last).await;
    let text = |kept: &HistoryMessage| kept.message.as_text().unwrap_or("binary").to_owned();
    history.iter().map(text).collect()
}

async fn the_last_messages_of_a_topic_are_kept(engine: &impl Engine) {
    let lane = OpenedLane::open(engine, LANE).await;
    assert_eq!(texts(engine, "suite/room", 9).await, [""; 0]);
    let binary = Kept {
        message: Message::binary(vec![0, 13, 10, 255]),
        ..kept("suite/room", 3, 3, "")
    };
    let first = vec![
        kept("suite/room", 1, 3, "1"),
        kept("suite/other", 2, 3, "x"),
        binary,
    ];
    let (first, _) = lane.append_kept("first", first).await;
    let second = vec![
        kept("suite/room", 1, 3, ""),
        kept("suite/room", 2, 3, "é\0"),
    ];
    let (second, _) = lane.append_kept("second", second).await;
    let all = history(engine, "suite/room", 9).await;
    let places: Vec<_> = all.iter().map(|kept| (kept.entry, kept.index)).collect();
    assert_eq!(places, [(first, 3), (second, 1), (second, 2)]);
    let messages: Vec<_> = all.iter().map(|kept| kept.message.clone()).collect();
    let expected = [
        Message::binary(vec![0, 13, 10, 255]),
        Message::text(""),
        Message::text("é\0"),
    ];
    assert_eq!(messages, expected);
    for kept in &all {
        assert_eq!(kept.generation, lane.opened.generation);
        assert!(kept.age < KEEP, "a new message is {:?} old", kept.age);
    }
    assert_eq!(texts(engine, "suite/room", 1).await, ["é\0"]);
    assert_eq!(texts(engine, "suite/room", 0).await, [""; 0]);
    assert_eq!(texts(engine, "suite/other", 9).await, ["x"]);
    // Each entry is in the log, too.
    let all = lane.read_all(lane.opened.start).await;
    assert!(all.contains(&(first, "first".to_owned())));
    assert!(all.contains(&(second, "second".to_owned())));
}

async fn a_history_of_the_latest_has_one_message(engine: &impl Engine) {
    let lane = OpenedLane::open(engine, LANE).await;
    for text in ["1", "2", "3"] {
        let kept = vec![kept("suite/latest", 1, 1, text)];
        lane.append_kept(text, kept).await;
        assert_eq!(texts(engine, "suite/latest", 9).await, [text]);
    }
}

async fn an_entry_with_more_messages_than_a_history_leaves_the_last_ones(engine: &impl Engine) {
    let lane = OpenedLane::open(engine, LANE).await;
    let before = vec![
        kept("suite/full", 1, 2, "0"),
        kept("suite/mixed", 2, 2, "0"),
    ];
    lane.append_kept("before", before).await;
    let texts_of = ["1", "2", "3", "4", "5"];
    let all = texts_of.into_iter().zip(1..).map(|(text, index)| {
        let topic = if index % 2 == 0 {
            "suite/mixed"
        } else {
            "suite/full"
        };
        kept(topic, index, 2, text)
    });
    lane.append_kept("entry", all.collect()).await;
    assert_eq!(texts(engine, "suite/full", 9).await, ["3", "5"]);
    assert_eq!(texts(engine, "suite/mixed", 9).await, ["2", "4"]);
    let latest = ["6", "7"].into_iter().zip(1..);
    let latest = latest.map(|(text, index)| kept("suite/latest", index, 1, text));
    lane.append_kept("latest", latest.collect()).await;
    assert_eq!(texts(engine, "suite/latest", 9).await, ["7"]);
}

async fn a_repeated_entry_changes_no_history(engine: &impl Engine) {
    let lane = OpenedLane::open(engine, LANE).await;
    let mut appends: Vec<Append> = Vec::new();
    for text in ["1", "2", "3"] {
        let kept = vec![
            kept("suite/repeated", 1, 9, text),
            kept("suite/newest", 2, 1, text),
        ];
        appends.push(lane.append_kept(text, kept).await.1);
    }
    let before = history(engine, "suite/repeated", 9).await;
    for append in [&appends[2], &appends[0], &appends[1]] {
        engine.append(append).await.expect("`append` fails");
    }
    let after = history(engine, "suite/repeated", 9).await;
    let place = |kept: &HistoryMessage| (kept.entry, kept.index, kept.message.clone());
    let [before, after] = [before, after].map(|it| it.iter().map(place).collect::<Vec<_>>());
    assert_eq!(after, before, "a repeated entry changes a history");
    let newest = texts(engine, "suite/newest", 9).await;
    assert_eq!(newest, ["3"], "a repeat overwrites a newer message");
}

async fn a_withdrawn_entry_reaches_no_history(engine: &impl Engine) {
    let lane = OpenedLane::open(engine, LANE).await;
    let unread = Append {
        kept: vec![kept("suite/withdrawn", 1, 9, "late")],
        ..lane.entry("late")
    };
    let withdrawn = Append {
        kept: Vec::new(),
        is_withdrawn: true,
        ..unread.clone()
    };
    for append in [&withdrawn, &unread] {
        engine.append(append).await.expect("`append` fails");
    }
    let next = vec![kept("suite/withdrawn", 1, 9, "next")];
    lane.append_kept("next", next).await;
    let all = texts(engine, "suite/withdrawn", 9).await;
    assert_eq!(all, ["next"], "a withdrawn message is in a history");
}

async fn old_messages_are_not_returned(engine: &impl Engine) {
    let lane = OpenedLane::open(engine, LANE).await;
    let mut old = kept("suite/old", 1, 9, "old");
    old.limits.keep = SHORT;
    lane.append_kept("old", vec![old.clone()]).await;
    assert_eq!(texts(engine, "suite/old", 9).await, ["old"]);
    sleep(SHORT * 3 / 4).await;
    old.message = Message::text("new");
    lane.append_kept("new", vec![old]).await;
    sleep(SHORT / 2).await;
    assert_eq!(texts(engine, "suite/old", 9).await, ["new"]);
}
