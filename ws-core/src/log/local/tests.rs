//! Publishes, replays and resumptions in one process.

use std::num::NonZeroU32;
use std::time::Duration;

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const TWO: HistoryLimits = HistoryLimits {
    messages: NonZeroU32::new(2).unwrap(),
    keep: Duration::from_secs(10),
};

fn log() -> LocalLog {
    LocalLog::new(Lanes::DEFAULT, Generation(1), 1 << 20)
}

fn name(topic: &str) -> TopicName {
    TopicName::new(topic.to_owned())
}

fn publish(log: &LocalLog, topic: &str, text: &'static str) -> Position {
    let message = Message::from(text);
    let logged = log.publish(&name(topic), &message, Some(TWO), |at| at);
    let logged = logged.unwrap();
    assert_eq!(logged.delivered, logged.at);
    logged.at
}

fn texts(kept: Vec<KeptMessage>) -> Vec<String> {
    let text = |kept: KeptMessage| kept.message.as_text().unwrap().to_owned();
    kept.into_iter().map(text).collect()
}

#[tokio::test(start_paused = true)]
async fn a_subscriber_continues_behind_a_position() {
    let log = log();
    let first = publish(&log, "a", "1");
    publish(&log, "a", "2");
    let third = publish(&log, "a", "3");
    let resume = |from| log.resume(&name("a"), from, |kept, _| texts(kept));
    assert_eq!(resume(first), Ok(vec!["2".into(), "3".into()]));
    assert_eq!(resume(third), Ok(vec![]));
    publish(&log, "a", "4");
    assert_eq!(resume(first), Err(Gap));
    let of_another_log = Position {
        generation: Generation(2),
        ..third
    };
    assert_eq!(resume(of_another_log), Err(Gap));
    let ahead = Offset::new(EntryId::new(0, 99), 1);
    let ahead = Position {
        offset: ahead,
        ..third
    };
    assert_eq!(resume(ahead), Err(Gap));
    let of_another_lane = Position {
        lane: Lane(third.lane.0 ^ 1),
        ..third
    };
    assert_eq!(resume(of_another_lane), Err(Gap));
}

#[tokio::test(start_paused = true)]
async fn a_replay_has_the_last_messages_that_are_not_too_old() {
    let log = log();
    for text in ["1", "2", "3"] {
        publish(&log, "a", text);
    }
    let replay = |last| log.replay(&name("a"), last, |kept, _| texts(kept));
    assert_eq!(replay(9), ["2", "3"]);
    assert_eq!(replay(1), ["3"]);
    assert_eq!(replay(0), [""; 0]);
    tokio::time::advance(SECOND * 10).await;
    assert_eq!(replay(9), [""; 0]);
}

#[test]
fn expired_histories_of_a_lane_are_removed_while_it_is_used() {
    let log = log();
    let short = HistoryLimits {
        keep: Duration::ZERO,
        ..TWO
    };
    let lane = log.lane(&name("a"));
    for number in 0..SWEEP {
        // Topics of the same lane, each published once.
        let topic = (0..).map(|more| name(&format!("{number}-{more}")));
        let topic = topic.into_iter().find(|topic| log.lane(topic) == lane);
        let message = Message::from("x");
        log.publish(&topic.unwrap(), &message, Some(short), |_| ())
            .unwrap();
    }
    let message = Message::from("x");
    let nothing = log.publish(&name("a"), &message, Some(TWO), |_| ());
    assert_eq!(nothing.unwrap().evicted, 0);
    let state = log.lock(lane);
    assert_eq!(state.kept, SWEEP + 1);
    // All but the last before the sweep, and the one after it.
    assert!(
        state.histories.topic_count() <= 2,
        "{}",
        state.histories.topic_count()
    );
}

#[test]
fn a_message_past_the_limit_is_refused() {
    let log = log();
    let large = Message::binary(vec![0; MAX_MESSAGE + 1]);
    let refused = log.publish(&name("a"), &large, None, |_| ());
    assert_eq!(refused, Err(TooLarge { len: 1_048_577 }));
    let largest = Message::binary(vec![0; MAX_MESSAGE]);
    let logged = log.publish(&name("a"), &largest, None, |at| at.offset);
    assert_eq!(
        logged.unwrap().delivered,
        Offset::new(EntryId::new(0, 1), 1)
    );
}
