//! Topics: who receives a message, what happens if a client does not follow, and `listen`.

use serde::{Deserialize, Serialize};
use tokio::time::Instant;
use ws_core::testkit::{ClientBuilder, Received, TestClient, TestKit};
use ws_server::CloseCause;
use ws_server::Policy;
use ws_server::limits::{OnFull, ServerLimits};
use ws_server::prelude::*;

use crate::journal::{Journal, TransportChoice, limits, seconds, settle};
use crate::probe::Probe;

fn a() -> Topic<String> {
    Topic::local("a")
}

fn b() -> Topic<String> {
    Topic::local("b")
}

fn publish(kit: &TestKit, topic: &Topic<String>, text: &str) -> usize {
    kit.hub().publish(topic, &text.to_owned()).reached()
}

/// A client with a half-written frame that takes no more bytes, and an outbox for `frames` in all.
async fn clogged(
    on_transport: TransportChoice,
    kit: &TestKit,
    frames: usize,
    policy: Policy,
) -> TestClient {
    let journal = Journal::new();
    let builder: ClientBuilder = on_transport(journal.client::<Probe>(kit).network_capacity(10));
    let builder = builder.limits(limits(|limits| {
        limits.outbox_frames = frames;
        limits.on_full = OnFull::Refuse;
    }));
    let client = builder.connect().await.unwrap();
    let socket = client.socket::<Probe>();
    socket.subscribe_with(a(), policy);
    socket.subscribe_with(b(), Policy::DropNewest);
    socket.send("x".repeat(60)).unwrap();
    settle().await;
    assert_eq!(client.unread(), 10);
    client
}

/// The frames that the client receives after the half-written one.
async fn rest(client: &mut TestClient, count: usize) -> Vec<String> {
    assert_eq!(client.text().await, "x".repeat(60));
    let mut texts = Vec::new();
    for _ in 0..count {
        texts.push(client.text().await);
    }
    settle().await;
    assert_eq!(client.received_so_far().await, [], "nothing more comes");
    texts
}

on_both_transports! {
    async fn a_publish_reaches_the_subscribers_of_its_topic_and_type(on_transport: TransportChoice) {
        let kit = TestKit::new();
        let journal = Journal::new();
        let mut first = on_transport(journal.client::<Probe>(&kit)).connect().await.unwrap();
        let mut second = on_transport(journal.client::<Probe>(&kit)).connect().await.unwrap();
        first.socket::<Probe>().subscribe(a());
        second.socket::<Probe>().subscribe(a());
        second.socket::<Probe>().subscribe(Topic::<u32>::local("a"));
        second.socket::<Probe>().subscribe(Topic::<Message>::local("m"));
        assert_eq!(publish(&kit, &a(), "both"), 2);
        assert_eq!(kit.hub().publish(Topic::<u32>::local("a"), &7).reached(), 1);
        assert_eq!(kit.hub().publish(Topic::local("m"), &Message::binary(vec![1])).reached(), 1);
        assert_eq!(publish(&kit, &b(), "nobody"), 0);
        assert_eq!(first.text().await, "both");
        assert_eq!(second.text().await, "both");
        assert_eq!(second.text().await, "7");
        assert_eq!(second.message().await, Message::binary(vec![1]));
        assert_eq!(first.received_so_far().await, []);
    }

    async fn a_subscription_lasts_until_unsubscribed_or_the_end(on_transport: TransportChoice) {
        let kit = TestKit::new();
        let journal = Journal::new();
        let mut client = on_transport(journal.client::<Probe>(&kit)).connect().await.unwrap();
        let socket = client.socket::<Probe>();
        socket.subscribe(a());
        socket.subscribe(a());
        assert_eq!(publish(&kit, &a(), "once"), 1);
        assert!(socket.unsubscribe(a()));
        assert!(!socket.unsubscribe(a()));
        assert_eq!(publish(&kit, &a(), "never"), 0);
        assert_eq!(client.text().await, "once");
        socket.subscribe(b());
        assert_eq!(kit.hub().subscriber_count(b()), 1);
        client.end().await;
        client.terminated().await;
        assert_eq!(kit.hub().subscriber_count(b()), 0);
        assert_eq!(client.received_so_far().await, []);
    }

    async fn by_default_a_slow_subscriber_is_closed(on_transport: TransportChoice) {
        let kit = TestKit::new();
        let mut client = clogged(on_transport, &kit, 3, Policy::default()).await;
        assert_eq!((publish(&kit, &a(), "1"), publish(&kit, &a(), "2"), publish(&kit, &a(), "3")), (1, 1, 0));
        assert_eq!(client.text().await, "x".repeat(60));
        assert_eq!(client.closed().await, (CloseCode::TRY_AGAIN_LATER, "too slow".to_owned()));
        client.close(CloseCode::TRY_AGAIN_LATER, "").await;
        assert_eq!(client.terminated().await.cause, CloseCause::Overflow);
    }

    async fn drop_oldest_makes_room_for_the_newest(on_transport: TransportChoice) {
        let kit = TestKit::new();
        let mut client = clogged(on_transport, &kit, 3, Policy::DropOldest).await;
        for text in ["1", "2", "3", "4"] {
            assert_eq!(publish(&kit, &a(), text), 1);
        }
        assert_eq!(client.socket::<Probe>().dropped(), 2);
        assert_eq!(rest(&mut client, 2).await, ["3", "4"]);
    }

    async fn drop_newest_keeps_the_waiting_frames(on_transport: TransportChoice) {
        let kit = TestKit::new();
        let mut client = clogged(on_transport, &kit, 3, Policy::DropNewest).await;
        let taken = ["1", "2", "3", "4"].map(|text| publish(&kit, &a(), text));
        assert_eq!(taken, [1, 1, 0, 0]);
        assert_eq!(client.socket::<Probe>().dropped(), 2);
        assert_eq!(rest(&mut client, 2).await, ["1", "2"]);
    }

    async fn latest_keeps_only_the_newest(on_transport: TransportChoice) {
        let kit = TestKit::new();
        let mut client = clogged(on_transport, &kit, 9, Policy::Latest).await;
        for text in ["1", "2", "3", "4"] {
            assert_eq!(publish(&kit, &a(), text), 1);
        }
        assert_eq!(client.socket::<Probe>().dropped(), 3);
        assert_eq!(rest(&mut client, 1).await, ["4"]);
    }

    async fn a_drop_touches_only_frames_of_its_topic(on_transport: TransportChoice) {
        for policy in [Policy::DropOldest, Policy::Latest] {
            let kit = TestKit::new();
            let mut client = clogged(on_transport, &kit, 4, policy).await;
            publish(&kit, &b(), "b");
            publish(&kit, &a(), "a1");
            client.socket::<Probe>().send("sent").unwrap();
            assert_eq!(publish(&kit, &a(), "a2"), 1, "{policy:?}");
            assert_eq!(client.socket::<Probe>().dropped(), 1);
            assert_eq!(rest(&mut client, 3).await, ["b", "sent", "a2"], "{policy:?}");
        }
    }

    async fn a_new_frame_is_dropped_and_counted_if_other_frames_fill_the_outbox(on_transport: TransportChoice) {
        for policy in [Policy::DropOldest, Policy::Latest] {
            let kit = TestKit::new();
            let mut client = clogged(on_transport, &kit, 3, policy).await;
            publish(&kit, &b(), "b");
            client.socket::<Probe>().send("sent").unwrap();
            assert_eq!(publish(&kit, &a(), "a1"), 0);
            assert_eq!(client.socket::<Probe>().dropped(), 1);
            assert_eq!(rest(&mut client, 2).await, ["b", "sent"], "{policy:?}");
        }
    }

    async fn a_frame_that_is_half_written_is_never_dropped(on_transport: TransportChoice) {
        for policy in [Policy::DropOldest, Policy::Latest] {
            let kit = TestKit::new();
            let builder = on_transport(Journal::new().client::<Probe>(&kit).network_capacity(10));
            let builder = builder.limits(limits(|limits| limits.outbox_frames = 2));
            let mut client = builder.connect().await.unwrap();
            client.socket::<Probe>().subscribe_with(a(), policy);
            // One chunk, and a header with a large payload behind it.
            for long in [60, 60_000] {
                publish(&kit, &a(), &"x".repeat(long));
                settle().await;
                for text in ["1", "2", "3"] {
                    assert_eq!(publish(&kit, &a(), text), 1);
                }
                assert_eq!(client.text().await.len(), long);
                assert_eq!(client.text().await, "3");
            }
        }
    }

    async fn publish_volatile_skips_subscribers_with_a_backlog(on_transport: TransportChoice) {
        let kit = TestKit::new();
        let mut slow = clogged(on_transport, &kit, 9, Policy::Close).await;
        let mut fast = on_transport(Journal::new().client::<Probe>(&kit)).connect().await.unwrap();
        fast.socket::<Probe>().subscribe(a());
        settle().await;
        assert_eq!(kit.hub().publish_volatile(a(), &"1".to_owned()).reached(), 1);
        assert_eq!(slow.socket::<Probe>().dropped(), 1);
        assert_eq!(rest(&mut slow, 0).await, Vec::<String>::new());
        assert_eq!(kit.hub().publish_volatile(a(), &"2".to_owned()).reached(), 2);
        assert_eq!(slow.text().await, "2");
        assert_eq!(fast.text().await, "1");
        assert_eq!(fast.text().await, "2");
    }

    async fn publish_except_skips_one_subscriber(on_transport: TransportChoice) {
        let kit = TestKit::new();
        let journal = Journal::new();
        let mut first = on_transport(journal.client::<Probe>(&kit)).connect().await.unwrap();
        let mut second = on_transport(journal.client::<Probe>(&kit)).connect().await.unwrap();
        first.socket::<Probe>().subscribe(a());
        second.socket::<Probe>().subscribe(a());
        let socket = first.socket::<Probe>();
        assert_eq!(kit.hub().publish_except(a(), &"others".to_owned(), &socket).reached(), 1);
        publish(&kit, &a(), "all");
        assert_eq!(first.text().await, "all");
        assert_eq!(second.text().await, "others");
    }

    async fn a_task_writes_the_rest_of_a_publish_in_order(on_transport: TransportChoice) {
        let limits = ServerLimits::DEFAULT.publish_inline(1);
        let (kit, journal) = (TestKit::with_limits(limits), Journal::new());
        let mut clients = Vec::new();
        for _ in 0..3 {
            let client = on_transport(journal.client::<Probe>(&kit)).connect().await.unwrap();
            client.socket::<Probe>().subscribe(a());
            clients.push(client);
        }
        settle().await;
        for text in ["1", "2", "3"] {
            assert_eq!(publish(&kit, &a(), text), 3);
        }
        for client in &mut clients {
            client.socket::<Probe>().send("4").unwrap();
            for text in ["1", "2", "3", "4"] {
                assert_eq!(client.text().await, text);
            }
        }
    }

    async fn send_async_follows_a_publish_that_is_not_written_yet(on_transport: TransportChoice) {
        let server = ServerLimits::DEFAULT.publish_inline(0);
        let (kit, journal) = (TestKit::with_limits(server), Journal::new());
        let builder = on_transport(journal.client::<Probe>(&kit));
        let builder = builder.limits(limits(|limits| limits.outbox_frames = 1));
        let mut client = builder.connect().await.unwrap();
        let socket = client.socket::<Probe>();
        socket.subscribe(a());
        settle().await;
        let start = Instant::now();
        assert_eq!(publish(&kit, &a(), "1"), 1);
        socket.send_async("2").await.unwrap();
        assert_eq!(client.text().await, "1");
        assert_eq!(client.text().await, "2");
        assert_eq!(seconds(start), 0);
    }
}

#[derive(Clone, Serialize, Deserialize, Debug)]
struct Score {
    home: u32,
}

/// The mailbox type: notifications and published values.
#[derive(Debug)]
enum Info {
    Scored(Score),
    Wait,
}

impl From<Score> for Info {
    fn from(score: Score) -> Self {
        Self::Scored(score)
    }
}

struct Listens;

#[ws_handler]
impl Listens {
    fn init(socket: &Socket<Self>) -> Self {
        socket.listen(scores());
        Listens
    }

    async fn info(&mut self, info: Info) -> Option<String> {
        match info {
            Info::Scored(Score { home }) => Some(format!("home {home}")),
            Info::Wait => std::future::pending().await,
        }
    }
}

fn scores() -> Topic<Score> {
    Topic::local("scores")
}

#[tokio::test(start_paused = true)]
async fn listen_delivers_to_info_instead_of_the_client() {
    let kit = TestKit::new();
    let mut client = kit.handler::<Listens>().connect().await.unwrap();
    let socket = client.socket::<Listens>();
    assert_eq!(kit.hub().publish(scores(), &Score { home: 2 }).reached(), 1);
    assert_eq!(client.text().await, "home 2");
    assert!(socket.unlisten(scores()));
    assert!(!socket.unlisten(scores()));
    assert_eq!(kit.hub().publish(scores(), &Score { home: 3 }).reached(), 0);
    // The client's subscription and the handler's are independent.
    socket.listen(scores());
    socket.subscribe(scores());
    assert_eq!(
        kit.hub()
            .publish_except(scores(), &Score { home: 4 }, &socket)
            .reached(),
        0
    );
    assert_eq!(kit.hub().publish(scores(), &Score { home: 5 }).reached(), 2);
    settle().await;
    let text = |text: &'static str| Received::Message(text.into());
    assert_eq!(
        client.received_so_far().await,
        [text("{\"home\":5}"), text("home 5")]
    );
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_listens_too_slowly_is_closed() {
    let kit = TestKit::new();
    let builder = kit
        .handler::<Listens>()
        .limits(limits(|limits| limits.mailbox = 2));
    let mut client = builder.connect().await.unwrap();
    client.socket::<Listens>().notify(Info::Wait).unwrap();
    settle().await;
    for home in 0..3 {
        kit.hub().publish(scores(), &Score { home });
    }
    assert_eq!(
        client.closed().await,
        (CloseCode::TRY_AGAIN_LATER, "too slow".to_owned())
    );
}
