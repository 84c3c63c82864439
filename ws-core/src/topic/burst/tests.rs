//! Publishes that leave each subscriber's socket in one write.

use std::cell::RefCell;
use std::sync::Arc;
use std::thread;

use bytes::Bytes;
use tokio::runtime;
use tokio::sync::oneshot;
use tokio::task::yield_now;

use super::*;
use crate::close::{Close, CloseCause, CloseReason};
use crate::id::ConnectionId;
use crate::message::Message;
use crate::outbox::test_doubles::{CountingClient, CountingTask};
use crate::outbox::{DroppedPayloads, Outbox, Policy};
use crate::topic::start::Start;
use crate::topic::{
    AsTopic as _, Exclude, Recipient, ReplayCapacity, Subscriber, Subscription, Topic, Topics,
};

mod rounds;

/// A connection whose client accepts everything.
struct Connection {
    id: ConnectionId,
    outbox: Outbox,
}

impl Recipient for Connection {
    fn id(&self) -> ConnectionId {
        self.id
    }

    fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    fn overflow(&self, _: &mut DroppedPayloads) -> bool {
        let reason = CloseReason::of(CloseCause::Overflow, &Close::TRY_AGAIN_LATER);
        self.outbox.close(&Close::TRY_AGAIN_LATER, reason)
    }
}

/// Topics `a` and `b` with some subscribers of both.
struct Setup {
    topics: Topics,
    clients: Vec<Arc<CountingClient>>,
    tasks: Vec<Arc<CountingTask>>,
    connections: Vec<Arc<Connection>>,
    #[expect(dead_code, reason = "kept until the end of the test")]
    subscriptions: Vec<Subscription>,
}

fn topic(name: &str) -> Topic<Message> {
    Topic::local(name)
}

impl Setup {
    fn new(inline: usize) -> Arc<Self> {
        Self::with_clients(inline, 2)
    }

    fn with_clients(inline: usize, count: u64) -> Arc<Self> {
        let topics = Topics::new(inline, 0);
        let (mut clients, mut tasks) = (Vec::new(), Vec::new());
        let (mut connections, mut subscriptions) = (Vec::new(), Vec::new());
        for id in 1..=count {
            let connection = Arc::new(Connection {
                id: ConnectionId::new(id),
                outbox: Outbox::new(1 << 20, 1024),
            });
            let client = CountingClient::with_room(usize::MAX);
            let task = Arc::<CountingTask>::default();
            connection.outbox.connect(Some(client.clone()));
            connection.outbox.set_waker(&task.clone().into());
            for name in ["a", "b"] {
                let subscriber = Subscriber::Client {
                    recipient: connection.clone(),
                    policy: Policy::Close,
                };
                let topic = topic(name).as_topic_ref();
                let added = topics
                    .subscribe(&topic, subscriber, &Start::Now, || {
                        ReplayCapacity::UNLIMITED
                    })
                    .unwrap();
                subscriptions.push(added.subscription);
            }
            clients.push(client);
            tasks.push(task);
            connections.push(connection);
        }
        Arc::new(Self {
            topics,
            clients,
            tasks,
            connections,
            subscriptions,
        })
    }

    /// Publishes text to a topic.
    fn publish(&self, name: &str, text: &str) {
        let message = Message::text(text.to_owned());
        let topic = topic(name).as_topic_ref();
        let outcome = self.topics.publish(topic, &message, Exclude::default());
        assert_eq!(outcome.reached, self.clients.len());
    }

    /// The number of writes to each client, and the texts; all must have got the same.
    fn seen(&self) -> (usize, String) {
        let (writes, bytes) = self.clients[0].seen();
        for client in &self.clients {
            assert_eq!(client.seen(), (writes, bytes.clone()));
        }
        // The texts have one byte each, after two bytes of the header.
        let texts = bytes.chunks(3).map(|frame| char::from(frame[2]));
        (writes, texts.collect())
    }
}

fn current_thread() -> runtime::Runtime {
    runtime::Builder::new_current_thread().build().unwrap()
}

/// Runs the tasks of this runtime until those that flush have ended.
async fn settle() {
    for _ in 0..4 {
        yield_now().await;
    }
}

#[test]
fn the_publishes_of_a_burst_leave_in_one_write_in_order() {
    for inline in [0, 1, 1024] {
        let setup = Setup::new(inline);
        let burst = Burst::open();
        for (name, text) in [("a", "1"), ("b", "2"), ("a", "3")] {
            setup.publish(name, text);
        }
        assert_eq!(setup.seen(), (0, String::new()));
        burst.flush();
        assert_eq!(setup.seen(), (1, "123".to_owned()), "{inline}");
        // The burst is still open.
        setup.publish("b", "4");
        setup.publish("a", "5");
        assert_eq!(setup.seen(), (1, "123".to_owned()));
        drop(burst);
        assert_eq!(setup.seen(), (2, "12345".to_owned()), "{inline}");
        setup.publish("a", "6");
        assert_eq!(setup.seen(), (3, "123456".to_owned()), "{inline}");
    }
}

#[test]
fn the_end_of_an_inner_burst_writes_what_the_outer_burst_has_queued() {
    let setup = Setup::new(1024);
    // It does not run, like the runtime of a hook that has stopped waiting.
    let runtime = current_thread();
    let entered = runtime.enter();
    let outer = Burst::open();
    setup.publish("a", "1");
    let inner = Burst::open();
    setup.publish("b", "2");
    drop(inner);
    assert_eq!(setup.seen(), (1, "12".to_owned()));
    setup.publish("a", "3");
    setup.publish("b", "4");
    assert_eq!(setup.seen(), (1, "12".to_owned()));
    drop(outer);
    drop(entered);
    runtime.block_on(settle());
    assert_eq!(setup.seen(), (2, "1234".to_owned()));
}

#[test]
fn a_burst_that_ends_in_a_panic_is_written() {
    let setup = Setup::new(1024);
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _burst = Burst::open();
        setup.publish("a", "1");
        setup.publish("a", "2");
        panic!("expected by the test");
    }));
    assert!(panicked.is_err());
    assert_eq!(setup.seen(), (1, "12".to_owned()));
    setup.publish("a", "3");
    assert_eq!(setup.seen(), (2, "123".to_owned()));
}

/// The payload of a message that publishes when it is dropped.
struct Publishes(Arc<Setup>);

impl AsRef<[u8]> for Publishes {
    fn as_ref(&self) -> &[u8] {
        &[b'x'; 5000]
    }
}

impl Drop for Publishes {
    fn drop(&mut self) {
        self.0.publish("b", "!");
    }
}

#[test]
fn a_payload_that_publishes_when_it_is_written_does_not_strand_its_message() {
    for is_open in [false, true] {
        let setup = Setup::new(1024);
        let burst = Burst::open();
        let payload = Bytes::from_owner(Publishes(setup.clone()));
        let large = Message::Binary(payload);
        let topic = topic("a").as_topic_ref();
        let outcome = setup.topics.publish(topic, &large, Exclude::default());
        assert_eq!(outcome.reached, 2);
        drop(large);
        if is_open {
            burst.flush();
        }
        drop(burst);
        for client in &setup.clients {
            let written = client.written();
            assert_eq!(written.len(), 5004 + 3);
            assert!(written.ends_with(b"\x81\x01!"));
        }
    }
}

#[test]
fn a_publish_while_the_thread_ends_wakes_the_connections() {
    thread_local! {
        static LAST: RefCell<Option<PublishesAtExit>> = const { RefCell::new(None) };
    }
    struct PublishesAtExit(Arc<Setup>);
    impl Drop for PublishesAtExit {
        fn drop(&mut self) {
            let _burst = Burst::open();
            self.0.publish("a", "1");
            self.0.publish("b", "2");
        }
    }
    let setup = Setup::new(1024);
    let publishes = PublishesAtExit(setup.clone());
    let thread = thread::spawn(move || {
        LAST.set(Some(publishes));
        // Registered after `LAST`, and so dropped before it.
        drop(Burst::open());
        let _ = round::flush_id();
    });
    thread.join().unwrap();
    for (connection, task) in setup.connections.iter().zip(&setup.tasks) {
        assert!(connection.outbox.buffered() == 0 || task.wakes() > 0);
    }
}

#[test]
fn without_a_runtime_and_outside_of_a_burst_each_publish_is_written_at_once() {
    for inline in [0, 1, 1024] {
        let setup = Setup::new(inline);
        setup.publish("a", "1");
        assert_eq!(setup.seen(), (1, "1".to_owned()));
        setup.publish("b", "2");
        assert_eq!(setup.seen(), (2, "12".to_owned()));
    }
}

#[test]
fn what_a_task_publishes_in_one_poll_leaves_in_one_write() {
    let setup = Setup::new(1024);
    current_thread().block_on(async {
        let (written, is_written) = oneshot::channel();
        let publisher = setup.clone();
        tokio::spawn(async move {
            publisher.publish("a", "1");
            publisher.publish("b", "2");
            assert_eq!(publisher.seen(), (0, String::new()));
            is_written.await.unwrap();
            publisher.publish("b", "3");
        });
        while setup.seen().0 == 0 {
            yield_now().await;
        }
        assert_eq!(setup.seen(), (1, "12".to_owned()));
        written.send(()).unwrap();
        while setup.seen().0 == 1 {
            yield_now().await;
        }
        assert_eq!(setup.seen(), (2, "123".to_owned()));
    });
}

#[test]
fn tasks_that_are_ready_together_publish_in_one_write() {
    let setup = Setup::new(1024);
    current_thread().block_on(async {
        for (name, text) in [("a", "1"), ("b", "2"), ("a", "3")] {
            let publisher = setup.clone();
            tokio::spawn(async move { publisher.publish(name, text) });
        }
        while setup.seen().0 == 0 {
            yield_now().await;
        }
    });
    assert_eq!(setup.seen(), (1, "123".to_owned()));
}

#[test]
fn a_runtime_that_ends_before_the_flush_wakes_the_connections() {
    let setup = Setup::new(1024);
    let runtime = current_thread();
    let publisher = setup.clone();
    let publish = runtime.spawn(async move { publisher.publish("a", "1") });
    runtime.block_on(publish).unwrap();
    assert_eq!(setup.seen(), (0, String::new()));
    assert_eq!(setup.tasks.iter().map(|it| it.wakes()).sum::<usize>(), 0);
    drop(runtime);
    for (connection, task) in setup.connections.iter().zip(&setup.tasks) {
        assert_eq!((task.wakes(), connection.outbox.buffered()), (1, 3));
    }
}
