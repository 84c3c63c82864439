//! A topic whose last subscriber leaves.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::*;

fn listener(deliver: Box<Deliver>) -> Subscriber {
    Subscriber::Listener {
        id: ConnectionId::new(1),
        deliver,
    }
}

fn subscribe(topics: &Topics, topic: &Topic<u64>, subscriber: Subscriber) -> Subscription {
    let added = topics.subscribe(
        &topic.as_topic_ref(),
        subscriber,
        &start::Start::Now,
        || ReplayCapacity::UNLIMITED,
    );
    added.unwrap().subscription
}

/// The outcome of a call that might never return.
fn outcome<T: Send + 'static>(call: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || sender.send(call()));
    let outcome = receiver.recv_timeout(Duration::from_secs(20));
    outcome.expect("the call returns")
}

#[test]
fn a_publish_while_the_last_subscriber_leaves_reaches_no_subscriber() {
    let topics = Topics::new(16, 0);
    let topic = Topic::<u64>::local("t");
    let _subscription = subscribe(&topics, &topic, listener(Box::new(|_, _| None)));
    // As if the subscriber's thread had left the channel but not removed it from the map yet.
    topics
        .find(&topic.as_topic_ref().key)
        .unwrap()
        .lock()
        .removed_from_map = true;
    let publish = move || topics.publish(topic.as_topic_ref(), &1, Exclude::default());
    assert_eq!(Receipt::of(outcome(publish)).reached(), 0);
}

/// Subscribes when it is dropped.
struct Subscribes(Arc<Topics>);

impl Drop for Subscribes {
    fn drop(&mut self) {
        let next = listener(Box::new(|_, _| None));
        subscribe(&self.0, &Topic::local("t"), next);
    }
}

#[test]
fn a_subscriber_that_subscribes_when_it_is_dropped_gets_a_new_channel() {
    let topics = Arc::new(Topics::new(16, 0));
    let topic = Topic::<u64>::local("t");
    let last = Subscribes(topics.clone());
    let deliver = move |_: &Message, _| {
        let _ = &last;
        None
    };
    let subscription = subscribe(&topics, &topic, listener(Box::new(deliver)));
    let count = outcome(move || {
        drop(topics.unsubscribe(subscription));
        topics.count(&topic.as_topic_ref().key)
    });
    assert_eq!(count, 1);
}
