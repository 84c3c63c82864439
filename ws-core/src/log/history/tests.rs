//! Histories that are bounded by number, age and bytes.

use super::*;
use crate::log::position::EntryId;

const SECOND: Duration = Duration::from_secs(1);
const LIMITS: HistoryLimits = HistoryLimits {
    messages: NonZeroU32::new(3).unwrap(),
    keep: Duration::from_secs(10),
};

fn offset(number: u64) -> Offset {
    Offset::new(EntryId::new(0, number), 1)
}

fn name(topic: &str) -> TopicName {
    TopicName::new(topic.to_owned())
}

struct Lane {
    histories: Histories,
    start: Instant,
}

impl Lane {
    fn new(max_bytes: usize) -> Self {
        Self {
            histories: Histories::new(max_bytes),
            start: Instant::now(),
        }
    }

    /// Adds the message with this number, published at that second.
    fn push(&mut self, topic: &str, number: u64, second: u32) -> usize {
        let kept = KeptMessage {
            offset: offset(number),
            message: Message::text(number.to_string()),
        };
        let now = self.start + SECOND * second;
        self.histories
            .push(&name(topic), LIMITS, kept, now, &mut Vec::new())
    }

    fn last(&mut self, topic: &str, last: usize, second: u32) -> Vec<u64> {
        let now = self.start + SECOND * second;
        numbers(&self.histories.last(&name(topic), last, now))
    }

    fn after(&mut self, topic: &str, number: u64, second: u32) -> Result<Vec<u64>, Gap> {
        let now = self.start + SECOND * second;
        let kept = self.histories.after(&name(topic), offset(number), now);
        kept.map(|kept| numbers(&kept))
    }
}

fn numbers(kept: &[KeptMessage]) -> Vec<u64> {
    kept.iter().map(|kept| kept.offset.entry.sequence).collect()
}

#[test]
fn a_history_is_bounded_by_number_and_age() {
    let mut lane = Lane::new(1 << 20);
    for number in 1..=4 {
        lane.push("a", number, u32::try_from(number).unwrap());
    }
    assert_eq!(lane.last("a", 9, 5), [2, 3, 4]);
    assert_eq!(lane.last("a", 2, 5), [3, 4]);
    assert_eq!(lane.last("a", 0, 5), [0; 0]);
    assert_eq!(lane.last("b", 9, 5), [0; 0]);
    // Message 2 was published at second 2 and is kept for ten seconds.
    assert_eq!(lane.last("a", 9, 11), [2, 3, 4]);
    assert_eq!(lane.last("a", 9, 12), [3, 4]);
    assert_eq!(lane.last("a", 9, 14), [0; 0]);
}

#[test]
fn messages_behind_an_offset_are_complete_or_a_gap() {
    let mut lane = Lane::new(1 << 20);
    for number in 1..=5 {
        lane.push(if number == 3 { "b" } else { "a" }, number, 0);
    }
    // Of "a", message 1 has been dropped by number.
    assert_eq!(lane.after("a", 0, 0), Err(Gap));
    assert_eq!(lane.after("a", 1, 0), Ok(vec![2, 4, 5]));
    assert_eq!(lane.after("a", 3, 0), Ok(vec![4, 5]));
    assert_eq!(lane.after("a", 5, 0), Ok(vec![]));
    assert_eq!(lane.after("b", 0, 0), Ok(vec![3]));
    assert_eq!(lane.after("never published", 0, 0), Ok(vec![]));
    // Expired messages are gaps as well, before and after they are swept.
    assert_eq!(lane.after("b", 2, 10), Err(Gap));
    let now = lane.start + SECOND * 10;
    lane.histories.sweep(now, &mut Vec::new());
    assert_eq!(lane.after("b", 2, 10), Err(Gap));
    assert_eq!(lane.after("b", 5, 10), Ok(vec![]));
    assert!(lane.histories.topics.is_empty() && lane.histories.by_age.is_empty());
    assert_eq!(lane.histories.bytes, 0);
    lane.push("b", 6, 11);
    assert_eq!(lane.after("b", 2, 11), Err(Gap));
    assert_eq!(lane.after("b", 5, 11), Ok(vec![6]));
}

#[test]
fn past_the_limit_in_bytes_the_least_recent_topic_loses_its_history() {
    // Three topics with one message each: 129 bytes a message, 128 a topic.
    let mut lane = Lane::new(3 * 257);
    assert_eq!(lane.push("a", 1, 0), 0);
    assert_eq!(lane.push("b", 2, 0), 0);
    assert_eq!(lane.push("c", 3, 0), 0);
    assert_eq!(lane.push("a", 4, 0), 1);
    assert_eq!(lane.last("b", 9, 0), [0; 0]);
    assert_eq!(lane.after("b", 1, 0), Err(Gap));
    assert_eq!(lane.last("a", 9, 0), [1, 4]);
    assert_eq!(lane.last("c", 9, 0), [3]);
    // The newest message is kept whatever its size.
    let kept = KeptMessage {
        offset: offset(5),
        message: Message::binary(vec![0; 4096]),
    };
    let (start, mut removed) = (lane.start, Vec::new());
    let evicted = lane
        .histories
        .push(&name("d"), LIMITS, kept, start, &mut removed);
    assert_eq!(evicted, 2);
    let removed: Vec<_> = removed.iter().map(Message::as_text).collect();
    assert_eq!(removed, [Some("3"), Some("1"), Some("4")]);
    assert_eq!(lane.last("d", 9, 0), [5]);
}

#[test]
fn a_single_topic_past_the_limit_in_bytes_loses_its_oldest_messages() {
    // Two messages of 129 bytes, and the topic.
    let mut lane = Lane::new(2 * 129 + 128);
    for number in 1..=3 {
        lane.push("a", number, 0);
    }
    assert_eq!(lane.last("a", 9, 0), [2, 3]);
    assert_eq!(lane.after("a", 0, 0), Err(Gap));
    assert_eq!(lane.after("a", 1, 0), Ok(vec![2, 3]));
}

#[test]
fn a_client_with_the_last_message_of_a_quiet_topic_continues_after_a_sweep() {
    let mut lane = Lane::new(1 << 20);
    lane.push("a", 1, 0);
    lane.push("b", 2, 0);
    assert_eq!(lane.after("a", 1, 10), Ok(vec![]));
    let now = lane.start + SECOND * 10;
    lane.histories.sweep(now, &mut Vec::new());
    assert_eq!(lane.after("a", 1, 10), Ok(vec![]));
    assert_eq!(lane.after("a", 0, 10), Err(Gap));
    assert_eq!(lane.after("b", 1, 10), Err(Gap));
    lane.push("a", 3, 11);
    assert_eq!(lane.after("a", 1, 11), Ok(vec![3]));
    assert_eq!(lane.after("a", 0, 11), Err(Gap));
    assert_eq!(lane.histories.forgotten.len(), 1);
}
