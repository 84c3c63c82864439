//! `hub.stats()`: each counter, after connections whose traffic is known.

use ws_core::testkit::TestKit;
use ws_server::Policy;
use ws_server::extract::NoState;
use ws_server::limits::Limits;
use ws_server::prelude::*;
use ws_server::stats::{HookStats, RouteStats, Stats};
use ws_server::topic::Topic;

use crate::journal::{secs, settle};

fn news() -> Topic<String> {
    Topic::local("news")
}

/// Does what the client asks for.
struct Obeys;

#[ws_handler]
impl Obeys {
    fn init(socket: &Socket<Self>) -> Self {
        socket.subscribe(news());
        Obeys
    }

    async fn message(&mut self, message: Message, socket: &Socket<Self>) -> Result<Message, Close> {
        match message.as_text() {
            Some("wait") => tokio::time::sleep(secs(2)).await,
            Some("fail") => return Err(Close::POLICY),
            Some("panic") => panic!("as the client asks"),
            Some("send") => socket.send(Bytes::from_static(b"sent")).unwrap(),
            _ => {}
        }
        Ok(message)
    }

    fn info(&mut self, (): ()) {}
}

/// Refuses everybody.
struct Refuses;

#[ws_handler]
impl Refuses {
    fn init() -> Result<Self, Refusal> {
        Err::<Self, _>(std::io::Error::other("nobody")).or_refuse()
    }
}

dispatch! {
    struct Inner;

    defaults { require_session: false }

    obeys: "/obeys/{_id: u64}" => Obeys { mailbox: 1 };
}

dispatch! {
    struct Routes;

    defaults { require_session: false }

    nested: "/nested" => use Inner;
    refuses: "/refuses" => Refuses;
}

fn kit() -> TestKit {
    TestKit::table(Routes::table(), NoState).unwrap()
}

fn route(stats: &Stats, pattern: &str) -> RouteStats {
    let found = stats.routes.iter().find(|route| route.route == pattern);
    found
        .unwrap_or_else(|| panic!("{pattern} in {stats:?}"))
        .clone()
}

fn obeys(kit: &TestKit) -> RouteStats {
    route(&kit.hub().stats(), "/nested/obeys/{_id: u64}")
}

fn hook<'r>(route: &'r RouteStats, hook: &str, outcome: &str) -> Option<&'r HookStats> {
    let mut hooks = route.hooks.iter();
    hooks.find(|stats| (stats.hook, stats.outcome) == (hook, outcome))
}

#[tokio::test(start_paused = true)]
async fn messages_are_counted_by_route_direction_and_kind() {
    let kit = kit();
    let mut client = kit.open("/nested/obeys/7").connect().await.unwrap();
    assert_eq!(obeys(&kit).connections, 1);
    client.send("hello").await;
    assert_eq!(client.text().await, "hello");
    client.send("send").await;
    assert_eq!(client.message().await, Message::binary("sent"));
    assert_eq!(client.text().await, "send");
    client.send(Bytes::from_static(b"bytes")).await;
    assert_eq!(client.message().await, Message::binary("bytes"));
    kit.hub().publish(news(), &"news".to_owned());
    assert_eq!(client.text().await, "news");
    settle().await;
    let stats = obeys(&kit);
    assert_eq!((stats.received.text, stats.received.binary), (2, 1));
    assert_eq!((stats.sent.text, stats.sent.binary), (3, 2));
    // Headers of 6 and 2 bytes.
    assert_eq!(stats.bytes_received, 3 * 6 + 5 + 4 + 5);
    assert_eq!(stats.bytes_sent, 5 * 2 + 5 + 4 + 4 + 5 + 4);
    assert_eq!(stats.outbox_bytes, 0);
    // A second snapshot counts nothing twice, and the end of the connection loses nothing.
    assert_eq!(obeys(&kit), stats);
    client.close(CloseCode::NORMAL, "").await;
    client.terminated().await;
    let ended = obeys(&kit);
    assert_eq!((ended.sent, ended.connections), (stats.sent, 0));
    let other = route(&kit.hub().stats(), "/refuses");
    assert_eq!((other.received.text, other.sent.text), (0, 0));
    let topics = kit.hub().stats().topics;
    assert_eq!(
        (topics.topics, topics.published, topics.deliveries),
        (0, 1, 1)
    );
}

#[tokio::test(start_paused = true)]
async fn the_duration_of_a_connection_is_counted_by_cause_and_code() {
    let kit = kit();
    let mut client = kit.open("/nested/obeys/7").connect().await.unwrap();
    tokio::time::sleep(secs(20)).await;
    client.close(CloseCode::new(4000).unwrap(), "").await;
    client.terminated().await;
    let stats = obeys(&kit);
    let [closed] = &stats.closed[..] else {
        panic!("{:?}", stats.closed);
    };
    // Clients may send any code, so theirs are not counted one by one.
    assert_eq!((closed.cause, closed.code), ("client_closed", None));
    let duration = &closed.duration;
    assert_eq!(duration.count, 1);
    assert!((duration.sum - 20.0).abs() < 0.2, "{}", duration.sum);
    assert_eq!(duration.buckets[1..3], [(10.0, 0), (60.0, 1)]);
}

#[tokio::test(start_paused = true)]
async fn hooks_that_wait_or_fail_are_measured_one_by_one() {
    let kit = kit();
    let mut client = kit.open("/nested/obeys/7").connect().await.unwrap();
    client.send("wait").await;
    assert_eq!(client.text().await, "wait");
    settle().await;
    let stats = obeys(&kit);
    let waited = &hook(&stats, "message", "ok").unwrap().duration;
    assert_eq!((waited.count, waited.sum), (1, 2.0));
    assert_eq!(hook(&stats, "init", "ok").unwrap().duration.count, 1);
    client.send("panic").await;
    client.terminated().await;
    let stats = obeys(&kit);
    assert_eq!(hook(&stats, "message", "panic").unwrap().duration.count, 1);
    assert_eq!(hook(&stats, "terminate", "ok").unwrap().duration.count, 1);
    assert_eq!(stats.closed[0].cause, "hook_panic");

    kit.open("/refuses").connect().await.unwrap_err();
    let refuses = route(&kit.hub().stats(), "/refuses");
    assert_eq!(hook(&refuses, "init", "error").unwrap().duration.count, 1);
}

#[tokio::test(start_paused = true)]
async fn one_plain_hook_in_64_is_measured_and_counts_64_times() {
    let kit = kit();
    let mut client = kit.open("/nested/obeys/7").connect().await.unwrap();
    for _ in 0..640 {
        client.send("hello").await;
        assert_eq!(client.text().await, "hello");
    }
    let stats = obeys(&kit);
    assert_eq!(stats.received.text, 640);
    // Each message has a poll of its own; further polls shift the samples.
    let count = hook(&stats, "message", "ok").unwrap().duration.count;
    assert!(
        (128..=704).contains(&count) && count.is_multiple_of(64),
        "{count}"
    );
}

#[tokio::test(start_paused = true)]
async fn drops_and_full_mailboxes_are_counted() {
    struct Slow;

    #[ws_handler]
    impl Slow {
        fn init(socket: &Socket<Self>) -> Self {
            socket.subscribe_with(news(), Policy::DropNewest);
            Slow
        }

        async fn message(&mut self, _: String) {
            tokio::time::sleep(secs(60)).await;
        }

        fn info(&mut self, (): ()) {}
    }

    let kit = TestKit::new();
    let builder = kit.handler::<Slow>().network_capacity(1);
    let builder = builder.limits(Limits::DEFAULT.outbox_frames(1).mailbox(1));
    let mut client = builder.connect().await.unwrap();
    client.send("busy").await;
    settle().await;
    for _ in 0..5 {
        kit.hub().publish(news(), &"news".to_owned());
        settle().await;
    }
    let socket = client.socket::<Slow>();
    let accepted = (0..4).filter(|_| socket.notify(()).is_ok()).count();
    assert_eq!(accepted, 1);
    let stats = &kit.hub().stats().routes[0];
    assert_eq!(stats.outbox_dropped.drop_newest, 4);
    assert_eq!((stats.outbox_dropped.drop_oldest, socket.dropped()), (0, 4));
    assert_eq!((stats.outbox_bytes, stats.mailbox_full), (5, 3));
    assert_eq!((stats.sent.text, stats.bytes_sent), (1, 1));
}
