//! What a window returns, and when it reports a gap.

use proptest::collection::vec;
use proptest::prelude::*;

use super::ResumeError::{Ahead, Gap};
use super::*;
use crate::log::position::EntryId;

const SECOND: Duration = Duration::from_secs(1);

fn name(topic: u8) -> TopicName {
    TopicName::new(format!("topic/{topic}"))
}

fn offset(number: u64) -> Offset {
    Offset::new(
        EntryId::new(number / 4, 0),
        u16::try_from(number % 4).unwrap(),
    )
}

fn window(bytes: usize) -> Window {
    let age = SECOND * 100;
    Window::new(WindowLimits { age, bytes }, Offset::ZERO)
}

fn numbers(window: &Window, topic: u8, place: u64) -> Result<Vec<u64>, ResumeError> {
    let recent = window.after(&name(topic), offset(place))?;
    let number = |recent: &Recent| recent.offset.entry.time * 4 + u64::from(recent.offset.index);
    Ok(recent.iter().map(number).collect())
}

fn push(window: &mut Window, number: u64, topic: u8, now: Instant) {
    window.push(offset(number), &name(topic), &Message::text("1234"), now);
}

#[test]
fn a_client_gets_every_message_of_its_topic_behind_its_position() {
    let mut window = window(1_000_000);
    let now = Instant::now();
    for number in 1..=9 {
        push(&mut window, number, u8::try_from(number % 3).unwrap(), now);
    }
    assert_eq!(numbers(&window, 1, 0), Ok(vec![1, 4, 7]));
    assert_eq!(numbers(&window, 1, 4), Ok(vec![7]));
    assert_eq!(numbers(&window, 1, 5), Ok(vec![7]));
    assert_eq!(numbers(&window, 1, 7), Ok(vec![]));
    assert_eq!(numbers(&window, 9, 0), Ok(vec![]));
    assert_eq!(window.head(), offset(9));
    assert_eq!(window.bytes(), 9 * (4 + OVERHEAD));
}

#[test]
fn a_message_that_left_the_window_is_a_gap_for_its_topic_alone() {
    let mut window = window(3 * (4 + OVERHEAD));
    let now = Instant::now();
    for (number, topic) in [(1, 1), (2, 2), (3, 2), (4, 2)] {
        push(&mut window, number, topic, now);
    }
    // Number 1 is gone.
    assert_eq!(numbers(&window, 1, 0), Err(Gap));
    assert_eq!(numbers(&window, 1, 1), Ok(vec![]));
    assert_eq!(numbers(&window, 2, 0), Ok(vec![2, 3, 4]));
    push(&mut window, 5, 1, now);
    assert_eq!(numbers(&window, 1, 1), Ok(vec![5]));
    assert_eq!(numbers(&window, 2, 0), Err(Gap));
    assert_eq!(numbers(&window, 2, 2), Ok(vec![3, 4]));
}

#[test]
fn messages_leave_by_age_too() {
    let mut window = window(1_000_000);
    let start = Instant::now();
    push(&mut window, 1, 1, start);
    push(&mut window, 2, 1, start + SECOND * 60);
    assert_eq!(window.covers(start + SECOND * 60), Some(SECOND * 60));
    window.trim(start + SECOND * 99);
    assert_eq!(numbers(&window, 1, 0), Ok(vec![1, 2]));
    window.trim(start + SECOND * 100);
    assert_eq!(numbers(&window, 1, 0), Err(Gap));
    assert_eq!(numbers(&window, 1, 1), Ok(vec![2]));
    window.trim(start + SECOND * 160);
    assert_eq!((window.bytes(), window.covers(start)), (0, None));
    assert_eq!(numbers(&window, 1, 1), Err(Gap));
    assert_eq!(numbers(&window, 1, 2), Ok(vec![]));
}

#[test]
fn a_reader_that_starts_late_knows_nothing_of_what_was_before() {
    let limits = WindowLimits::DEFAULT;
    let mut window = Window::new(limits, offset(10));
    assert_eq!(numbers(&window, 1, 9), Err(Gap));
    assert_eq!(numbers(&window, 1, 10), Ok(vec![]));
    assert_eq!(numbers(&window, 1, 11), Err(Ahead));
    push(&mut window, 11, 1, Instant::now());
    assert_eq!(
        numbers(&window, 1, 9),
        Err(Gap),
        "there may be others between 9 and 11"
    );
    assert_eq!(numbers(&window, 1, 10), Ok(vec![11]));
    window.reset(offset(12));
    assert_eq!(numbers(&window, 1, 11), Err(Gap));
    assert_eq!(numbers(&window, 1, 12), Ok(vec![]));
}

#[test]
fn the_memory_of_quiet_topics_is_bounded() {
    let mut window = window(4 + OVERHEAD);
    let now = Instant::now();
    let topics = MAX_QUIET as u64 + 10;
    let topic = |number: u64| TopicName::new(format!("topic/{number}"));
    for number in 1..=topics {
        window.push(offset(number), &topic(number), &Message::text("1234"), now);
    }
    assert_eq!(window.topics.len(), MAX_QUIET + 1);
    assert_eq!(window.quiet.len(), MAX_QUIET);
    // The last message of a forgotten topic is a gap, also for a topic that never had one.
    assert_eq!(window.after(&topic(1), offset(8)), Err(Gap));
    assert_eq!(window.after(&topic(9), offset(9)), Ok(vec![]));
    assert_eq!(window.after(&topic(10), offset(9)), Err(Gap));
    assert_eq!(window.after(&topic(10), offset(10)), Ok(vec![]));
}

#[test]
fn all_messages_of_a_topic_share_its_name() {
    let mut window = window(1_000_000);
    for number in 1..=2 {
        let name = TopicName::new("topic".to_owned());
        window.push(offset(number), &name, &Message::text("1"), Instant::now());
    }
    let names = window.kept.iter().map(|kept| kept.topic.as_str().as_ptr());
    let names: Vec<_> = names.collect();
    assert_eq!(names[0], names[1]);
}

proptest! {
    #[test]
    fn a_window_never_hides_a_gap(
        steps in vec((0..6_u8, 0..200_usize, 0..30_u64), 1..80),
        bytes in 200..3_000_usize,
    ) {
        let mut window = window(bytes);
        let mut now = Instant::now();
        let mut all: Vec<(u64, u8)> = Vec::new();
        for (number, (topic, len, seconds)) in (1..).zip(steps) {
            now += SECOND * u32::try_from(seconds).unwrap();
            let message = Message::binary(vec![0; len]);
            window.push(offset(number), &name(topic), &message, now);
            all.push((number, topic));
            prop_assert!(window.bytes() <= bytes);
            for topic in 0..6 {
                for place in 0..=number {
                    let own = all.iter().filter(|it| it.1 == topic && it.0 > place);
                    let own: Vec<u64> = own.map(|it| it.0).collect();
                    let oldest = window.kept.front().map_or(number + 1, |it| {
                        it.offset.entry.time * 4 + u64::from(it.offset.index)
                    });
                    let complete = own.first().is_none_or(|first| *first >= oldest);
                    let expected = if complete { Ok(own) } else { Err(Gap) };
                    prop_assert_eq!(numbers(&window, topic, place), expected);
                }
            }
        }
    }
}
