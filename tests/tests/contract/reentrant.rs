//! Code of the application that the library calls: `Drop`, `Clone`, `From`, `Serialize`. It may use
//! the same socket, topic or hub that called it.

use std::cell::{Cell, RefCell};
use std::panic::resume_unwind;
use std::rc::Rc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use serde::{Deserialize, Serialize, Serializer};
use tokio::runtime::Runtime;
use ws_core::testkit::{TestClient, TestKit};
use ws_server::NotifyError;
use ws_server::Policy;
use ws_server::prelude::*;

use crate::journal::{Journal, limits, secs, settle};

/// An action for the uses of a value; it gets the name of the use.
type Act = Rc<dyn Fn(&'static str)>;

thread_local! {
    static ACT: RefCell<Option<Act>> = const { RefCell::new(None) };
    static ACTING: Cell<bool> = const { Cell::new(false) };
}

/// Sets the action for every use of a value. The action does not run inside itself.
fn when_used(act: impl Fn(&'static str) + 'static) {
    ACT.set(Some(Rc::new(act)));
}

fn used(how: &'static str) {
    let act = ACT.with_borrow(Clone::clone);
    if let Some(act) = act
        && !ACTING.replace(true)
    {
        act(how);
        ACTING.set(false);
    }
}

/// Runs an async test like [`on_a_thread`].
fn watched<F: Future<Output = ()>>(test: impl FnOnce() -> F + Send + 'static) {
    on_a_thread(|runtime| {
        runtime.block_on(test());
        ACT.set(None);
    });
}

/// Runs a test on its own thread, so that a deadlock fails instead of hanging.
fn on_a_thread(test: impl FnOnce(Runtime) + Send + 'static) {
    let (ended, end) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        test(runtime);
        ended.send(()).unwrap();
    });
    let ended = end.recv_timeout(Duration::from_secs(60));
    assert_ne!(ended, Err(RecvTimeoutError::Timeout), "a deadlock");
    if let Err(panic) = thread.join() {
        resume_unwind(panic);
    }
}

/// A value that runs the action when it is cloned, converted, serialised or dropped.
#[derive(Deserialize)]
struct Value(String);

impl Value {
    fn new(text: &str) -> Self {
        Value(text.to_owned())
    }
}

impl Clone for Value {
    fn clone(&self) -> Self {
        used("clone");
        Value(self.0.clone())
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        used("drop");
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        used("serialize");
        serializer.serialize_str(&self.0)
    }
}

/// The mailbox type.
struct Received(Value);

impl From<Value> for Received {
    fn from(value: Value) -> Self {
        used("from");
        Received(value)
    }
}

impl Clone for Received {
    fn clone(&self) -> Self {
        Received(self.0.clone())
    }
}

/// Records the values in its mailbox.
struct Ear(Journal);

#[ws_handler]
impl Ear {
    fn init(journal: Journal) -> Self {
        Ear(journal)
    }

    fn info(&mut self, Received(value): Received) {
        self.0.note(&value.0);
    }
}

fn value(text: &str) -> Received {
    Received(Value::new(text))
}

fn topic() -> Topic<Value> {
    Topic::local("values")
}

struct Setting {
    kit: TestKit,
    journal: Journal,
    client: TestClient,
    socket: Socket<Ear>,
}

async fn setting() -> Setting {
    let (kit, journal) = (TestKit::new(), Journal::new());
    let client = journal.client::<Ear>(&kit).connect().await.unwrap();
    let socket = client.socket::<Ear>();
    Setting {
        kit,
        journal,
        client,
        socket,
    }
}

#[test]
fn the_drop_of_a_cancelled_timers_value_can_notify() {
    watched(|| async {
        let Setting {
            journal, socket, ..
        } = setting().await;
        let timers = [
            socket.notify_after(secs(60), value("later")),
            socket.notify_every(secs(60), value("often")),
        ];
        let of_drop = socket.clone();
        when_used(move |how| {
            assert_eq!(how, "drop");
            of_drop.notify(value("dropped")).map_err(|_| ()).unwrap();
            of_drop.notify_after(secs(1), value("dropped a second ago"));
        });
        for timer in &timers {
            assert!(timer.cancel());
            assert!(!timer.cancel());
        }
        ACT.set(None);
        tokio::time::sleep(secs(100)).await;
        let twice = |text| [text, text];
        let expected = [twice("dropped"), twice("dropped a second ago")];
        assert_eq!(journal.lines(), expected.concat());
    });
}

#[test]
fn the_clone_of_a_repeated_value_can_notify_and_cancel_its_timer() {
    watched(|| async {
        let Setting {
            journal, socket, ..
        } = setting().await;
        let ticks = Rc::new(RefCell::new(None));
        let (of_clone, timer, count) = (socket.clone(), ticks.clone(), Cell::new(0));
        when_used(move |how| {
            if how != "clone" {
                return;
            }
            count.set(count.get() + 1);
            let number = count.get();
            let text = format!("clone {number}");
            of_clone.notify(value(&text)).map_err(|_| ()).unwrap();
            if number == 3 {
                let timer = timer.borrow();
                let timer: &ws_server::Timer = timer.as_ref().unwrap();
                assert!(timer.is_set() && timer.cancel() && !timer.is_set());
            }
        });
        *ticks.borrow_mut() = Some(socket.notify_every(secs(1), value("tick")));
        tokio::time::sleep(secs(10)).await;
        // A timer that is cancelled while its value is cloned does not deliver the value.
        let expected = ["clone 1", "tick", "clone 2", "tick", "clone 3"];
        assert_eq!(journal.lines(), expected);
    });
}

#[test]
fn values_that_are_dropped_at_the_end_can_use_the_socket_and_the_hub() {
    watched(|| async {
        let Setting {
            kit,
            journal,
            mut client,
            socket,
        } = setting().await;
        let other = journal.client::<Ear>(&kit).connect().await.unwrap();
        other.socket::<Ear>().listen(topic());
        socket.notify_after(secs(60), value("timer"));
        socket.listen(topic());
        let (hub, drops) = (kit.hub().clone(), Rc::new(Cell::new(0)));
        let (of_drop, count) = (socket.clone(), drops.clone());
        when_used(move |how| {
            if how == "drop" {
                count.set(count.get() + 1);
                of_drop.subscribe(topic());
                of_drop.unlisten(topic());
                let refused = of_drop.notify(value("too late"));
                assert!(matches!(refused, Err(NotifyError::Closed(_))));
                hub.publish(topic(), &Value::new("published"));
            }
        });
        client.end().await;
        client.terminated().await;
        assert!(drops.get() > 0);
        ACT.set(None);
        settle().await;
        assert_eq!(kit.hub().subscriber_count(topic()), 1, "only the other one");
        let published = vec!["published"; drops.get()];
        assert_eq!(journal.lines(), published);
    });
}

#[test]
fn serialize_can_publish_to_the_topic_and_subscribe_to_it() {
    watched(|| async {
        let Setting {
            kit,
            mut client,
            socket,
            ..
        } = setting().await;
        let (hub, of_serialize) = (kit.hub().clone(), socket.clone());
        socket.subscribe(topic());
        when_used(move |how| {
            if how == "serialize" {
                of_serialize.unsubscribe(topic());
                of_serialize.subscribe(topic());
                assert_eq!(hub.publish(topic(), &Value::new("inner")).reached(), 1);
            }
        });
        assert_eq!(
            kit.hub().publish(topic(), &Value::new("outer")).reached(),
            1
        );
        assert_eq!(client.text().await, "\"inner\"");
        assert_eq!(client.text().await, "\"outer\"");
    });
}

#[test]
fn from_can_publish_to_its_topic_and_unlisten() {
    watched(|| async {
        let Setting {
            kit,
            journal,
            socket,
            ..
        } = setting().await;
        let other = journal.client::<Ear>(&kit).connect().await.unwrap();
        let (hub, first) = (kit.hub().clone(), Cell::new(true));
        let (leaves, stays) = (socket.clone(), other.socket::<Ear>());
        socket.listen(topic());
        stays.listen(topic());
        when_used(move |how| {
            if how == "from" && first.replace(false) {
                hub.publish(topic(), &Value::new("inner"));
                assert!(leaves.unlisten(topic()));
                assert!(!leaves.unlisten(topic()));
            }
        });
        assert_eq!(kit.hub().publish(topic(), &Value::new("one")).reached(), 2);
        assert_eq!(kit.hub().publish(topic(), &Value::new("two")).reached(), 2);
        settle().await;
        let mut lines = journal.lines();
        lines.sort();
        assert_eq!(lines, ["inner", "inner", "one", "one", "two", "two"]);
        assert_eq!(
            kit.hub().publish(topic(), &Value::new("three")).reached(),
            1
        );
    });
}

/// Binary data with an owner, such as memory of a pool.
struct Owned;

impl AsRef<[u8]> for Owned {
    fn as_ref(&self) -> &[u8] {
        &[7; 10_000]
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        used("drop");
    }
}

#[test]
fn the_owner_of_a_payload_that_a_publish_drops_can_publish() {
    watched(|| async {
        let (kit, journal) = (TestKit::new(), Journal::new());
        let data: Topic<Bytes> = Topic::local("data");
        let owned = || Bytes::from_owner(Owned);
        for policy in [Policy::DropOldest, Policy::Latest, Policy::Close] {
            let builder = journal.client::<Ear>(&kit).network_capacity(10);
            let builder = builder.limits(limits(|limits| limits.outbox_frames = 2));
            let mut client = builder.connect().await.unwrap();
            let socket = client.socket::<Ear>();
            socket.subscribe_with(&data, policy);
            // The first is half written, the second is dropped in favour of the third.
            for _ in 0..2 {
                assert_eq!(kit.hub().publish(&data, &owned()).reached(), 1);
                settle().await;
            }
            let (hub, drops, topic) = (kit.hub().clone(), Rc::new(Cell::new(0)), data.clone());
            let (count, socket) = (drops.clone(), socket.clone());
            when_used(move |_| {
                count.set(count.get() + 1);
                hub.publish(&topic, &Bytes::from_static(b"inner"));
                socket.buffered();
            });
            kit.hub().publish(&data, &Bytes::from_static(b"outer"));
            assert_eq!(drops.get(), 1, "{policy:?}");
            client.reset().await;
            client.terminated().await;
            assert_eq!(
                drops.get(),
                2,
                "{policy:?}: and the one that was half written"
            );
            ACT.set(None);
        }
    });
}

/// Runs the action when it is dropped.
struct Last;

impl Drop for Last {
    fn drop(&mut self) {
        used("drop");
    }
}

#[test]
fn a_replaced_callback_for_messages_of_pages_can_use_the_hub() {
    watched(|| async {
        let kit = TestKit::new();
        let last = Last;
        kit.hub().on_page_message(move |_, _| {
            let _ = &last;
        });
        let (hub, drops) = (kit.hub().clone(), Rc::new(Cell::new(0)));
        let count = drops.clone();
        when_used(move |_| {
            count.set(count.get() + 1);
            hub.on_page_message(|_, _| Close::NORMAL);
        });
        kit.hub().on_page_message(|_, _| "replaced");
        assert_eq!(drops.get(), 1);
    });
}

/// Calls a function when it is dropped.
struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// A future that owns a value until it is dropped.
async fn hold<T: Send>(held: T) {
    std::future::pending::<()>().await;
    drop(held);
}

/// The runtime drops the future before `Socket::spawn` returns. The connection runs on another
/// runtime, and so it does not end.
#[test]
fn a_future_dropped_by_a_runtime_shutdown_can_spawn() {
    on_a_thread(|runtime| {
        let builder = Journal::new().client::<Ear>(&TestKit::new());
        let client = runtime.block_on(builder.connect()).unwrap();
        let socket = client.socket::<Ear>();
        let (outcomes, seen) = mpsc::channel();
        let (of_inner, noted) = (socket.clone(), outcomes.clone());
        let mut inner = Some(OnDrop(move || {
            let spawned = of_inner.spawn(hold(()));
            noted.send(("inner", spawned)).unwrap();
        }));
        let ends = tokio::runtime::Builder::new_current_thread().build();
        let ends = ends.unwrap();
        ends.spawn(hold(OnDrop(move || {
            let spawned = socket.spawn(hold(inner.take()));
            outcomes.send(("outer", spawned)).unwrap();
        })));
        drop(ends);
        let seen: Vec<_> = seen.try_iter().collect();
        assert_eq!(seen, [("inner", Ok(())), ("outer", Ok(()))]);
        drop((client, runtime));
    });
}
