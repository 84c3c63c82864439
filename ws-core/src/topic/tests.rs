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

/// The outcome of a call that might never return.
fn outcome<T: Send + 'static>(call: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || sender.send(call()));
    let outcome = receiver.recv_timeout(Duration::from_secs(20));
    outcome.expect("the call returns")
}

#[test]
fn a_publish_while_the_last_subscriber_leaves_reaches_no_subscriber() {
    let topics = Topics::new(16);
    let topic = Topic::<u64>::local("t");
    let _subscription = topics.subscribe(&topic.key(), listener(Box::new(|_| None)));
    // As if the subscriber's thread had left the channel but not removed it from the map yet.
    topics.find(&topic.key()).unwrap().lock().removed_from_map = true;
    let reached = outcome(move || topics.publish(&topic, &1, Exclude::default()));
    assert_eq!(reached, Ok(0));
}

/// Subscribes when it is dropped.
struct Subscribes(Arc<Topics>);

impl Drop for Subscribes {
    fn drop(&mut self) {
        let next = listener(Box::new(|_| None));
        self.0.subscribe(&Topic::<u64>::local("t").key(), next);
    }
}

#[test]
fn a_subscriber_that_subscribes_when_it_is_dropped_gets_a_new_channel() {
    let topics = Arc::new(Topics::new(16));
    let topic = Topic::<u64>::local("t");
    let last = Subscribes(topics.clone());
    let deliver = move |_: &Message| {
        let _ = &last;
        None
    };
    let subscription = topics.subscribe(&topic.key(), listener(Box::new(deliver)));
    let count = outcome(move || {
        topics.unsubscribe(subscription);
        topics.count(&topic)
    });
    assert_eq!(count, 1);
}
