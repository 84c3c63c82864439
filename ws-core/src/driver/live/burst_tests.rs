//! Messages of one read whose hooks publish: what each subscriber gets, in how many writes.

use std::sync::Arc;
use std::task::Waker;

use tokio::task::yield_now;

use super::super::test_doubles::{
    Behavior, Bench, Read, ScriptedTransport, burst, new_shared, text,
};
use super::*;
use crate::limits::Limits;
use crate::message::Message;
use crate::outbox::Policy;
use crate::outbox::test_doubles::CountingClient;
use crate::topic::{Plan, ReplayCapacity, Subscribable as _, Subscriber, Subscription, Topic};

/// A connection whose hooks publish each message, and reply to it; it subscribes to the topic, like
/// another client.
struct Publisher {
    driver: Driver,
    bench: Bench,
    other: Arc<CountingClient>,
    #[expect(dead_code, reason = "kept until the end of the test")]
    subscriptions: [Subscription; 2],
}

fn news() -> Topic<Message> {
    Topic::local("news")
}

impl Publisher {
    fn new(limits: Limits, reads: impl IntoIterator<Item = Read>) -> Self {
        let mut bench = Bench::new(limits, Behavior::PublishAndReply);
        bench.transport.reads.extend(reads);
        let other = new_shared(Limits::DEFAULT);
        let client = CountingClient::with_room(usize::MAX);
        other.outbox().connect(Some(client.clone()));
        let subscriptions = [bench.shared.clone(), other].map(|recipient| {
            let policy = Policy::Close;
            let subscriber = Subscriber::Client { recipient, policy };
            let Plan { topic, start } = news().plan();
            let topics = bench.shared.topics();
            let added = topics
                .subscribe(&topic, subscriber, &start, || ReplayCapacity::UNLIMITED)
                .unwrap();
            added.subscription
        });
        Self {
            driver: Driver::new(bench.shared.clone()),
            bench,
            other: client,
            subscriptions,
        }
    }

    /// Polls once. Returns the frames for the publisher, in the number of writes.
    fn run(&mut self) -> (usize, Vec<String>) {
        let Bench {
            handler, transport, ..
        } = &mut self.bench;
        let mut cx = TaskContext::from_waker(Waker::noop());
        let polled = self.driver.poll(handler, transport, &mut cx);
        assert!(polled.is_pending(), "{polled:?}");
        let log = std::mem::take(&mut transport.log);
        let writes = log.iter().filter(|call| **call == "write").count();
        (writes, transport.frames())
    }

    /// Publishes in a burst of another connection.
    fn publish(&self, text: &str) {
        let _burst = Burst::open();
        self.bench.handler.publish(text);
    }

    /// The frames for the other client, in the number of writes, after the flush task has run.
    async fn others(&self) -> (usize, Vec<String>) {
        // It yields once before it writes.
        for _ in 0..3 {
            yield_now().await;
        }
        let (writes, written) = self.other.seen();
        (writes, ScriptedTransport::decode(written))
    }
}

fn texts(texts: impl IntoIterator<Item = &'static str>) -> Vec<String> {
    let frame = |text| format!("text {text}");
    texts.into_iter().map(frame).collect()
}

#[tokio::test]
async fn what_the_hooks_of_one_read_publish_leaves_each_socket_in_one_write() {
    let reads = [burst(&[text("1"), text("2"), text("3")])];
    let mut publisher = Publisher::new(Limits::DEFAULT, reads);
    let own = texts(["1", "reply 1", "2", "reply 2", "3", "reply 3"]);
    assert_eq!(publisher.run(), (1, own));
    assert_eq!(publisher.others().await, (1, texts(["1", "2", "3"])));
    // A later read is a burst of its own.
    publisher
        .bench
        .transport
        .reads
        .push_back(burst(&[text("4")]));
    assert_eq!(publisher.run(), (1, texts(["4", "reply 4"])));
    assert_eq!(publisher.others().await, (2, texts(["1", "2", "3", "4"])));
}

#[tokio::test]
async fn a_hook_that_panics_does_not_strand_the_messages_of_its_burst() {
    let reads = [burst(&[text("1"), text("2"), text("3")])];
    let mut publisher = Publisher::new(Limits::DEFAULT, reads);
    let behaviors = [Behavior::PublishAndReply, Behavior::PublishAndPanic];
    publisher.bench.handler.script = behaviors.into();
    let (writes, own) = publisher.run();
    assert_eq!(writes, 1, "{own:?}");
    assert_eq!(own[..3], texts(["1", "reply 1", "2"]));
    assert!(own[3].starts_with("close 1011"), "{own:?}");
    assert_eq!(publisher.others().await, (1, texts(["1", "2"])));
}

#[tokio::test]
async fn a_burst_alone_does_not_fill_the_outbox_of_its_publisher() {
    // The hook's own frames are written before the next hook runs.
    let count = 100;
    let reads = [burst(&vec![text("x"); count])];
    let mut publisher = Publisher::new(Limits::DEFAULT.outbox_frames(10), reads);
    let (writes, own) = publisher.run();
    assert_eq!(own.len(), 2 * count);
    assert!(writes < count, "{writes}");
    assert_eq!(publisher.bench.ending(), None);
    assert_eq!(publisher.others().await.1.len(), count);
}

#[tokio::test]
async fn own_messages_of_a_topic_leave_with_those_that_others_publish_in_the_same_round() {
    let mut publisher = Publisher::new(Limits::DEFAULT, [burst(&[text("1")])]);
    let own = CountingClient::with_room(usize::MAX);
    publisher.bench.shared.outbox().connect(Some(own.clone()));
    publisher.bench.handler.behavior = Behavior::Publish;
    // The only publisher of a round does not wait for others.
    assert_eq!(publisher.run(), (1, texts(["1"])));
    assert_eq!(publisher.others().await, (1, texts(["1"])));
    Burst::expect_others();
    publisher.publish("2");
    publisher
        .bench
        .transport
        .reads
        .push_back(burst(&[text("3")]));
    assert_eq!(publisher.run(), (0, texts([])));
    assert_eq!(publisher.others().await, (2, texts(["1", "2", "3"])));
    let (writes, written) = own.seen();
    assert_eq!(
        (writes, ScriptedTransport::decode(written)),
        (1, texts(["2", "3"]))
    );
    // A reply does not wait, and nothing overtakes it.
    publisher.bench.handler.behavior = Behavior::PublishAndReply;
    publisher
        .bench
        .transport
        .reads
        .push_back(burst(&[text("4")]));
    assert_eq!(publisher.run(), (1, texts(["4", "reply 4"])));
}
