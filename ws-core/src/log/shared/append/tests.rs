//! Queues, retries and outcomes of one lane.

use std::num::NonZeroU32;

use super::*;
use crate::log::history::HistoryLimits;
use crate::log::name::TopicName;
use crate::log::shared::entry::{LoggedMessage, VERSIONS};
use crate::message::Message;

const SECOND: Duration = Duration::from_secs(1);
const GENERATION: Generation = Generation(9);
const LIMITS: AppendLimits = AppendLimits {
    records: 100,
    bytes: 1024 * 1024 * 2,
    publish_timeout: Duration::from_secs(5),
};

const HISTORY: HistoryLimits = HistoryLimits {
    messages: NonZeroU32::new(3).unwrap(),
    keep: SECOND,
};

type Numbered = Appender<u32>;

fn appender() -> Numbered {
    Appender::new(Lane(1), AUTHOR, LIMITS)
}

const AUTHOR: Incarnation = Incarnation(7);

fn message(message: Message) -> LoggedMessage {
    LoggedMessage {
        topic: TopicName::new("topic".to_owned()),
        message,
        history: None,
        except: None,
        is_volatile: false,
    }
}

fn publication(message: Message) -> Record {
    Record::Message(self::message(message))
}

fn push(appender: &mut Numbered, ticket: u32, now: Instant) -> Result<(), AppendError> {
    let message = Message::text(ticket.to_string());
    push_record(appender, publication(message), ticket, now)
}

fn push_record(
    appender: &mut Numbered,
    record: Record,
    ticket: u32,
    now: Instant,
) -> Result<(), AppendError> {
    let pushed = appender.push(record, ticket, Bounded::ByQueue, now);
    pushed.map_err(|(returned, error)| {
        assert_eq!(returned, ticket);
        error
    })
}

fn next(appender: &mut Numbered, now: Instant) -> Option<Append> {
    appender.next(position(5, 1), now)
}

/// The start of a later generation.
fn later() -> Position {
    Position {
        generation: Generation(10),
        ..position(9, 0)
    }
}

/// The texts of an entry; `None` if it is empty.
fn texts(append: &Append) -> Option<Vec<String>> {
    let Body::Records(records) = Entry::decode(append.entry.clone()).unwrap().body else {
        return None;
    };
    let text = |record| match record {
        Record::Message(message) => message.message.as_text().unwrap().to_owned(),
        other => panic!("not a message: {other:?}"),
    };
    Some(records.into_iter().map(text).collect())
}

fn id(time: u64) -> EntryId {
    EntryId::new(time, 0)
}

fn position(time: u64, index: u16) -> Position {
    Position {
        generation: GENERATION,
        lane: Lane(1),
        offset: Offset::new(id(time), index),
    }
}

fn unknown() -> Result<EntryId, EngineError> {
    Err(EngineError::Unknown("cut".into()))
}

fn not_sent() -> Result<EntryId, EngineError> {
    Err(EngineError::NotSent("no connection".into()))
}

#[test]
fn messages_that_waited_are_one_entry_and_are_accepted_when_they_are_read() {
    let (mut appender, now) = (appender(), Instant::now());
    push(&mut appender, 1, now).unwrap();
    let first = next(&mut appender, now).unwrap();
    assert_eq!((first.number, texts(&first)), (1, Some(vec!["1".into()])));
    push(&mut appender, 2, now).unwrap();
    push(&mut appender, 3, now).unwrap();
    assert_eq!(next(&mut appender, now), None, "one entry is under way");
    appender.answered(&first, &Ok(id(10)));
    assert_eq!((appender.accepted(), appender.outcomes()), (1, vec![]));
    let second = next(&mut appender, now).unwrap();
    assert_eq!(texts(&second), Some(vec!["2".into(), "3".into()]));
    appender.was_read(AUTHOR, 1, position(10, 1), Content::Records);
    assert_eq!(appender.outcomes(), [(1, Ok(position(10, 1)))]);
    // The reader may be faster than the answer.
    appender.was_read(AUTHOR, 2, position(11, 2), Content::Records);
    let expected = [(2, Ok(position(11, 1))), (3, Ok(position(11, 2)))];
    assert_eq!(appender.outcomes(), expected);
    appender.answered(&second, &Ok(id(11)));
    assert_eq!((appender.records, appender.bytes), (0, 0));
    assert_eq!((appender.accepted(), appender.deadline()), (2, None));
}

#[test]
fn an_entry_is_bounded_by_messages_and_bytes() {
    let (mut appender, now) = (appender(), Instant::now());
    for ticket in 0..70 {
        push(&mut appender, ticket, now).unwrap();
    }
    let count = |append: Append| {
        Entry::decode(append.entry).map(|entry| match entry.body {
            Body::Records(records) => records.len(),
            _ => 0,
        })
    };
    let first = next(&mut appender, now).unwrap();
    appender.answered(&first, &Ok(id(1)));
    assert_eq!(count(first), Ok(MAX_RECORDS));
    let half = Message::binary(vec![0; FULL_ENTRY / 2]);
    for _ in 0..2 {
        push_record(&mut appender, publication(half.clone()), 0, now).unwrap();
    }
    let large = Message::binary(vec![0; MAX_MESSAGE]);
    push_record(&mut appender, publication(large), 0, now).unwrap();
    for expected in [7, 1, 1] {
        let entry = next(&mut appender, now).unwrap();
        appender.answered(&entry, &Ok(id(2)));
        assert_eq!(count(entry), Ok(expected));
    }
}

#[test]
fn what_does_not_fit_is_refused_at_once() {
    let (mut appender, now) = (appender(), Instant::now());
    let len = MAX_MESSAGE + 1;
    let large = publication(Message::binary(vec![0; len]));
    assert_eq!(
        push_record(&mut appender, large, 0, now),
        Err(AppendError::TooLarge { len })
    );
    for ticket in 0..100 {
        push(&mut appender, ticket, now).unwrap();
    }
    assert_eq!(push(&mut appender, 100, now), Err(AppendError::Full));
    let pushed = appender.push(Record::Recall, 101, Bounded::ByAuthor, now);
    assert_eq!(pushed, Ok(()));
    // What is accepted but not read yet still counts.
    let entry = next(&mut appender, now).unwrap();
    appender.answered(&entry, &Ok(id(1)));
    assert_eq!(push(&mut appender, 100, now), Err(AppendError::Full));
    appender.was_read(AUTHOR, 1, position(1, 64), Content::Records);
    assert_eq!(push(&mut appender, 100, now), Ok(()));
}

#[test]
fn after_an_error_the_same_entry_is_sent_again_and_the_copy_that_is_read_counts() {
    let (mut appender, now) = (appender(), Instant::now());
    push(&mut appender, 1, now).unwrap();
    let first = next(&mut appender, now).unwrap();
    push(&mut appender, 2, now).unwrap();
    appender.answered(&first, &unknown());
    let again = next(&mut appender, now).unwrap();
    assert_eq!(again, first);
    appender.answered(&again, &Ok(id(20)));
    // The id of the second copy is not the position: the first may have arrived before it.
    appender.expire(now + SECOND * 5);
    let outcomes = appender.outcomes();
    let unconfirmed = Err(AppendError::Unconfirmed);
    assert_eq!(outcomes[0], (1, unconfirmed));
    assert_eq!(outcomes[1], (2, Err(AppendError::Unavailable)));
}

#[test]
fn an_accepted_entry_that_is_not_read_in_time_has_the_position_of_its_answer() {
    let (mut appender, now) = (appender(), Instant::now());
    push(&mut appender, 1, now).unwrap();
    let first = next(&mut appender, now).unwrap();
    appender.answered(&first, &not_sent());
    let again = next(&mut appender, now).unwrap();
    appender.answered(&again, &Ok(id(20)));
    assert_eq!(appender.deadline(), Some(now + SECOND * 5));
    appender.expire(now + SECOND * 5);
    assert_eq!(appender.outcomes(), [(1, Ok(position(20, 1)))]);
}

#[test]
fn a_number_that_is_not_answered_in_time_is_repeated_without_its_messages() {
    let (mut appender, now) = (appender(), Instant::now());
    push(&mut appender, 1, now).unwrap();
    let first = next(&mut appender, now).unwrap();
    appender.answered(&first, &unknown());
    appender.expire(now + SECOND * 5);
    assert_eq!(appender.outcomes(), [(1, Err(AppendError::Unconfirmed))]);
    push(&mut appender, 2, now).unwrap();
    let empty = next(&mut appender, now).unwrap();
    assert_eq!((empty.number, texts(&empty)), (1, None));
    appender.answered(&empty, &Ok(id(30)));
    let second = next(&mut appender, now).unwrap();
    assert_eq!((second.number, texts(&second)), (2, Some(vec!["2".into()])));
    appender.was_read(AUTHOR, 1, position(30, 0), Content::Empty);
    appender.was_read(AUTHOR, 2, position(31, 1), Content::Records);
    assert_eq!(appender.outcomes(), [(2, Ok(position(31, 1)))]);
}

#[test]
fn an_entry_that_a_replaced_log_may_have_is_not_sent_again_with_its_messages() {
    let (mut appender, now) = (appender(), Instant::now());
    let mut kept = message(Message::text("1"));
    kept.history = Some(HISTORY);
    push_record(&mut appender, Record::Message(kept), 1, now).unwrap();
    let first = next(&mut appender, now).unwrap();
    push(&mut appender, 2, now).unwrap();
    appender.answered(&first, &unknown());
    assert_eq!(next(&mut appender, now), Some(first.clone()));
    appender.answered(&first, &Err(EngineError::Generation));
    assert_eq!(appender.outcomes(), []);
    let empty = appender.next(later(), now).unwrap();
    assert_eq!((empty.number, texts(&empty)), (1, None));
    assert_eq!((empty.generation, empty.kept.len()), (Generation(10), 0));
    assert!(empty.is_withdrawn && !first.is_withdrawn);
    assert_eq!(appender.outcomes(), [(1, Err(AppendError::Unconfirmed))]);
    appender.answered(&empty, &Ok(id(1)));
    let second = appender.next(later(), now).unwrap();
    assert_eq!((second.number, texts(&second)), (2, Some(vec!["2".into()])));
}

#[test]
fn an_entry_that_the_replaced_log_has_refused_is_sent_to_the_next_one() {
    let (mut appender, now) = (appender(), Instant::now());
    push(&mut appender, 1, now).unwrap();
    let first = next(&mut appender, now).unwrap();
    appender.answered(&first, &Err(EngineError::Generation));
    let again = appender.next(later(), now).unwrap();
    assert_eq!((again.number, texts(&again)), (1, Some(vec!["1".into()])));
    appender.answered(&again, &Ok(id(1)));
    appender.expire(now + SECOND * 5);
    let at = Position {
        generation: Generation(10),
        ..position(1, 1)
    };
    assert_eq!(appender.outcomes(), [(1, Ok(at))]);
}

#[test]
fn all_copies_of_an_entry_name_what_was_read_before_the_first() {
    let (mut appender, now) = (appender(), Instant::now());
    push(&mut appender, 1, now).unwrap();
    let behind = |append: &Append| Entry::decode(append.entry.clone()).unwrap().behind;
    let refused = appender.next(position(5, 1), now).unwrap();
    assert_eq!(behind(&refused), id(5));
    appender.answered(&refused, &not_sent());
    let first = appender.next(position(6, 1), now).unwrap();
    assert_eq!(behind(&first), id(6));
    appender.answered(&first, &unknown());
    let second = appender.next(position(7, 1), now).unwrap();
    assert_eq!(second, first);
}

#[test]
fn what_was_certainly_never_sent_is_unavailable_and_gives_its_number_back() {
    let (mut appender, now) = (appender(), Instant::now());
    push(&mut appender, 1, now).unwrap();
    for error in [not_sent(), Err(EngineError::Generation), not_sent()] {
        let entry = next(&mut appender, now).unwrap();
        appender.answered(&entry, &error);
    }
    push(&mut appender, 2, now + SECOND).unwrap();
    appender.expire(now + SECOND * 5);
    assert_eq!(appender.outcomes(), [(1, Err(AppendError::Unavailable))]);
    let entry = next(&mut appender, now).unwrap();
    assert_eq!((entry.number, texts(&entry)), (1, Some(vec!["2".into()])));
    // Under way, it may arrive.
    appender.expire(now + SECOND * 6);
    assert_eq!(appender.outcomes(), [(2, Err(AppendError::Unconfirmed))]);
    appender.answered(&entry, &Ok(id(1)));
    assert_eq!(appender.accepted(), 1);
    assert_eq!((appender.records, appender.bytes), (0, 0));
}

#[test]
fn a_lost_entry_keeps_the_outcome_that_is_certain() {
    let (mut appender, now) = (appender(), Instant::now());
    for ticket in 1..=2 {
        push(&mut appender, ticket, now).unwrap();
        let entry = next(&mut appender, now).unwrap();
        appender.answered(&entry, &Ok(id(ticket.into())));
    }
    appender.was_read(AUTHOR, 2, position(2, 1), Content::Records);
    let expected = [(1, Ok(position(1, 1))), (2, Ok(position(2, 1)))];
    assert_eq!(appender.outcomes(), expected);
}

#[test]
fn one_heartbeat_waits_ahead_of_messages() {
    let (mut appender, now) = (appender(), Instant::now());
    push(&mut appender, 1, now).unwrap();
    for number in 1..=3 {
        appender.heartbeat(Heartbeat {
            versions: VERSIONS,
            accepted: vec![number],
            connections: 3,
            lag: std::time::Duration::from_millis(7),
        });
    }
    let first = next(&mut appender, now).unwrap();
    let Body::Heartbeat(heartbeat) = Entry::decode(first.entry.clone()).unwrap().body else {
        panic!("not a heartbeat");
    };
    assert_eq!(heartbeat.accepted, [3]);
    appender.answered(&first, &Ok(id(1)));
    let second = next(&mut appender, now).unwrap();
    assert_eq!((second.number, texts(&second)), (2, Some(vec!["1".into()])));
}

#[test]
fn messages_of_topics_with_history_are_kept() {
    let (mut appender, now) = (appender(), Instant::now());
    push(&mut appender, 1, now).unwrap();
    let limits = HISTORY;
    let mut kept = message(Message::text("2"));
    kept.history = Some(limits);
    push_record(&mut appender, Record::Message(kept), 2, now).unwrap();
    let entry = next(&mut appender, now).unwrap();
    let topic = TopicName::new("topic".to_owned());
    let (index, message) = (2, Message::text("2"));
    assert_eq!(
        entry.kept,
        [Kept {
            index,
            topic,
            limits,
            message
        }]
    );
}

#[test]
fn a_renewed_appender_counts_from_1_and_finishes_what_is_under_way() {
    let (mut appender, now) = (appender(), Instant::now());
    for ticket in 1..=2 {
        push(&mut appender, ticket, now).unwrap();
        let entry = next(&mut appender, now).unwrap();
        appender.answered(&entry, &Ok(id(ticket.into())));
    }
    push(&mut appender, 3, now).unwrap();
    let old = next(&mut appender, now).unwrap();
    appender.answered(&old, &unknown());
    let renewed = Incarnation(8);
    appender.renew(renewed);
    assert_eq!(appender.accepted(), 0);
    let again = next(&mut appender, now).unwrap();
    assert_eq!(again, old);
    push(&mut appender, 4, now).unwrap();
    appender.answered(&again, &Ok(id(3)));
    assert_eq!(appender.accepted(), 0, "that was the former incarnation");
    let first = next(&mut appender, now).unwrap();
    assert_eq!((first.incarnation, first.number), (renewed, 1));
    appender.answered(&first, &Ok(id(4)));
    appender.was_read(AUTHOR, 2, position(2, 1), Content::Records);
    let outcomes = appender.outcomes();
    assert_eq!(outcomes, [(1, Ok(position(1, 1))), (2, Ok(position(2, 1)))]);
    // The entry of the former incarnation was sent twice, and neither copy was read.
    appender.was_read(renewed, 1, position(4, 1), Content::Records);
    let unconfirmed = Err(AppendError::Unconfirmed);
    let outcomes = appender.outcomes();
    assert_eq!(outcomes, [(3, unconfirmed), (4, Ok(position(4, 1)))]);
    assert_eq!(appender.accepted(), 1);
    assert!(appender.is_idle());
}
