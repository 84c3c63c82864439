//! The task of a hub, and topics that come and go.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::time::sleep;

use super::*;
use crate::message::Message;

const LIMITS: PresenceLimits = PresenceLimits::DEFAULT;

fn new_presence() -> Arc<Presence> {
    with_limits(LIMITS)
}

fn with_limits(limits: PresenceLimits) -> Arc<Presence> {
    Presence::new(limits, Arc::new(Topics::new(16, 1024)))
}

fn room() -> TopicName {
    TopicName::new("room/7".to_owned())
}

fn id(number: u64) -> ConnectionId {
    ConnectionId::new(number)
}

fn enter(presence: &Presence, key: &str) -> Arc<OccupiedTopic> {
    let topic = presence.enter(&room(), &key.into(), id(1), "1".into());
    let topic = topic.unwrap();
    presence.settle(&topic);
    topic
}

fn leave(presence: &Presence, topic: &Arc<OccupiedTopic>, key: &str) {
    topic.leave(&key.into(), id(1));
    presence.settle(topic);
}

/// Adds a watcher that collects its events.
fn watch(presence: &Presence) -> Arc<Mutex<Vec<String>>> {
    let events = Arc::new(Mutex::new(Vec::new()));
    let collect = events.clone();
    let deliver = move |message: &Message, _| {
        let event = message.as_text().unwrap().to_owned();
        collect.lock().unwrap().push(event);
        None
    };
    let watcher = Subscriber::Listener {
        id: id(2),
        deliver: Box::new(deliver),
    };
    let (topic, added) = presence.watch(&room(), watcher);
    added.after_unlock.finish("room/7");
    presence.settle(&topic);
    events
}

fn is_running(presence: &Presence) -> bool {
    // `begin` fails if the task runs or has nothing to do.
    let idle = presence.agenda.begin();
    if idle {
        presence.agenda.stop();
    }
    !idle
}

fn new_runtime() -> Runtime {
    let mut builder = Builder::new_current_thread();
    builder.enable_time().start_paused(true).build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_task_ends_when_nothing_is_due_and_empty_topics_are_forgotten() {
    let presence = new_presence();
    let topic = enter(&presence, "ada");
    assert!(is_running(&presence), "the window of `ada` is open");
    sleep(LIMITS.tick * 2).await;
    assert!(matches!(
        presence.agenda.next(Instant::now()),
        AgendaStep::Never
    ));
    leave(&presence, &topic, "ada");
    assert_eq!(presence.count(&room()), 1, "it lingers");
    sleep(LIMITS.linger + LIMITS.tick).await;
    assert_eq!(presence.count(&room()), 0);
    assert!(presence.occupied().is_empty());
    assert!(matches!(
        presence.agenda.next(Instant::now()),
        AgendaStep::Never
    ));
    enter(&presence, "ada");
    assert_eq!(presence.count(&room()), 1);
}

#[tokio::test(start_paused = true)]
async fn a_topic_with_watchers_only_is_forgotten_but_its_watchers_are_not() {
    let presence = new_presence();
    let events = watch(&presence);
    assert!(presence.occupied().is_empty());
    enter(&presence, "ada");
    let events = events.lock().unwrap();
    let expected = [
        r#"{"presence":"snapshot","topic":"room/7","members":[]}"#,
        r#"{"presence":"changes","topic":"room/7","entered":[["ada",1]],"changed":[],"left":[]}"#,
    ];
    assert_eq!(*events, expected);
}

#[tokio::test(start_paused = true)]
async fn the_task_serves_an_earlier_topic_first() {
    let presence = new_presence();
    let ada = enter(&presence, "ada");
    sleep(LIMITS.tick * 2).await;
    leave(&presence, &ada, "ada");
    // The task waits for the end of `linger`.
    sleep(LIMITS.tick + Duration::from_millis(1)).await;
    let events = watch(&presence);
    enter(&presence, "bob");
    enter(&presence, "eve");
    assert_eq!(events.lock().unwrap().len(), 2);
    sleep(LIMITS.tick + Duration::from_millis(1)).await;
    assert_eq!(events.lock().unwrap().len(), 3, "`eve` after one tick");
}

#[test]
fn members_of_a_runtime_that_has_ended_leave_on_the_next_one() {
    let presence = new_presence();
    let first = new_runtime();
    first.block_on(async {
        let topic = enter(&presence, "ada");
        leave(&presence, &topic, "ada");
        tokio::task::yield_now().await;
    });
    drop(first);
    assert_eq!(presence.count(&room()), 1);
    // Outside of a runtime no task can start.
    enter(&presence, "bob");
    new_runtime().block_on(async {
        enter(&presence, "eve");
        sleep(LIMITS.linger * 2).await;
    });
    assert_eq!(presence.count(&room()), 2);
}

#[tokio::test(start_paused = true)]
async fn the_task_does_not_keep_a_hub_alive() {
    let presence = new_presence();
    let topic = enter(&presence, "ada");
    leave(&presence, &topic, "ada");
    tokio::task::yield_now().await;
    let weak = Arc::downgrade(&presence);
    drop(presence);
    assert!(weak.upgrade().is_none());
    sleep(LIMITS.linger * 2).await;
}

#[test]
fn a_topic_that_another_thread_removes_is_created_again() {
    let presence = new_presence();
    let old = presence.find_or_create(&room());
    old.lock().removed_from_map = true;
    let entered = Arc::new(AtomicBool::new(false));
    let thread = {
        let (presence, entered) = (presence.clone(), entered.clone());
        std::thread::spawn(move || {
            enter(&presence, "ada");
            entered.store(true, Ordering::Release);
        })
    };
    assert!(!entered.load(Ordering::Acquire));
    presence.occupied().remove(&room());
    thread.join().unwrap();
    assert!(entered.load(Ordering::Acquire));
    assert_eq!(presence.count(&room()), 1);
    assert_eq!(old.lock().roster.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn members_that_are_not_shown_yet_count_as_members() {
    let presence = with_limits(PresenceLimits {
        members: 1,
        linger: Duration::ZERO,
        ..LIMITS
    });
    let topic = enter(&presence, "a");
    sleep(LIMITS.tick * 2).await;
    leave(&presence, &topic, "a");
    assert_eq!(presence.count(&room()), 0);
    // It is shown at the end of the tick, in which it has left.
    let topic = enter(&presence, "a");
    assert_eq!(presence.count(&room()), 0);
    let other = presence.enter(&room(), &"b".into(), id(2), "1".into());
    assert_eq!(other.err(), Some(Full::Topic));
    // A member that is not shown yet may change.
    presence
        .enter(&room(), &"a".into(), id(1), "2".into())
        .unwrap();
    presence.settle(&topic);
    sleep(LIMITS.tick * 2).await;
    assert_eq!(presence.member(&room(), "a").as_deref(), Some("2"));
    assert_eq!(presence.count(&room()), 1);
}

#[tokio::test(start_paused = true)]
async fn the_bytes_of_all_topics_are_limited() {
    // One member of one byte takes 1 byte of key, twice its value, twice 128, and the JSON around.
    let presence = with_limits(PresenceLimits {
        bytes: 600,
        ..LIMITS
    });
    let other = TopicName::new("room/8".to_owned());
    let enter_other = |key: &str, value: &str| {
        let entered = presence.enter(&other, &key.into(), id(2), value.into());
        if let Ok(topic) = &entered {
            presence.settle(topic);
        }
        entered.err()
    };
    let topic = enter(&presence, "a");
    assert_eq!(enter_other("b", "1"), None);
    assert_eq!(enter_other("c", "1"), Some(Full::Server));
    assert_eq!(enter_other("b", &"1".repeat(400)), Some(Full::Server));
    assert_eq!(enter_other("b", "2"), None, "it is not larger");
    leave(&presence, &topic, "a");
    sleep(Duration::from_secs(5)).await;
    assert_eq!(enter_other("c", "1"), None);
    for key in ["b", "c"] {
        let topic = presence.find(&other).unwrap();
        topic.leave(&key.into(), id(2));
        presence.settle(&topic);
    }
    sleep(Duration::from_secs(5)).await;
    assert_eq!(presence.bytes.load(Ordering::Relaxed), 0);
    assert!(presence.occupied().is_empty());
    // A member that does not enter leaves no topic.
    assert_eq!(enter_other("d", &"1".repeat(4_000)), Some(Full::Server));
    assert!(presence.occupied().is_empty());
}
