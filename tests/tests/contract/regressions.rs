//! Defects that were found and mended, each by its name.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use tokio::time::Instant;
use ws_core::protocol::OpCode;
use ws_core::protocol::encoder::encode_masked;
use ws_core::testkit::{Received, TestClient, TestKit};
use ws_server::NotifyError;
use ws_server::limits::Limits;
use ws_server::prelude::*;

use crate::journal::{Journal, limits, quiet, seconds, secs};
use crate::probe::{Probe, numbered};

/// What a test in paused time does takes no time; a task that spins would let it hang.
const PATIENCE: Duration = Duration::from_secs(20);

/// Runs a test in paused time on a thread of its own, and fails where it does not end.
fn must_end<F: Future<Output = ()>>(test: impl FnOnce() -> F + Send + 'static) {
    let (ended, end) = mpsc::channel();
    let thread = std::thread::spawn(move || {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().start_paused(true).build().unwrap();
        runtime.block_on(test());
        ended.send(()).unwrap();
    });
    let in_time = end.recv_timeout(PATIENCE);
    assert!(in_time != Err(mpsc::RecvTimeoutError::Timeout), "it spins");
    thread.join().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_cannot_be_written_never_reaches_another_client() {
    let (kit, journal) = (TestKit::new(), Journal::new());
    let mut lost = journal.knock::<Probe>(&kit).connect().await.unwrap();
    lost.refuse_writes();
    lost.send("say for the first client alone").await;
    lost.terminated().await;
    let mut other = journal.knock::<Probe>(&kit).connect().await.unwrap();
    other.send("say for the second").await;
    assert_eq!(other.text().await, "for the second");
}

/// Sends from within a hook more than the outbox holds, and counts how often it is polled.
struct Pours(Arc<AtomicUsize>);

#[ws_handler]
impl Pours {
    fn init() -> Self {
        Pours(Arc::default())
    }

    async fn message(&mut self, _: String, socket: &Socket<Self>) -> String {
        let mut pour = pin!(async {
            for number in 0..20 {
                socket.send_async(numbered(number, 100)).await.unwrap();
            }
        });
        let polls = self.0.clone();
        poll_fn(|cx| {
            polls.fetch_add(1, Ordering::Relaxed);
            pour.as_mut().poll(cx)
        })
        .await;
        (self.0.load(Ordering::Relaxed) < 200).to_string()
    }
}

#[test]
fn a_hook_that_waits_for_room_does_not_spin() {
    must_end(|| async {
        let kit = TestKit::new();
        let small = limits(|limits| limits.outbox = 300);
        let knock = kit.handler::<Pours>().limits(small).network_room(150);
        let mut client = knock.connect().await.unwrap();
        client.send("pour").await;
        // A task that spins lets no time pass.
        tokio::time::sleep(secs(5)).await;
        for number in 0..20 {
            assert_eq!(client.text().await, numbered(number, 100));
        }
        assert_eq!(client.text().await, "true", "polled less than 200 times");
    });
}

/// Uses up what tokio lets one task do in a turn, then waits.
struct Greedy;

#[ws_handler]
impl Greedy {
    fn init() -> Self {
        Greedy
    }

    async fn message(&mut self, _: String) {
        let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
        (0..128).for_each(|number| sender.send(number).unwrap());
        for _ in 0..128 {
            receiver.recv().await;
        }
        std::future::pending::<()>().await;
    }
}

#[test]
fn clocks_run_although_a_hook_used_up_the_turn_of_its_task() {
    must_end(|| async {
        let kit = TestKit::new();
        let frame = encode_masked(OpCode::Text, true, b"go", [1, 2, 3, 4]);
        // Behind the request: the hook runs in the very first poll.
        let client = kit.handler::<Greedy>().early(&frame).connect().await;
        let reason = client.unwrap().terminated().await;
        assert_eq!(reason.cause, CloseCause::HookTimeout);
    });
}

/// A client with a backlog: the first frame is half written, the others wait behind it.
async fn behind() -> TestClient {
    let kit = TestKit::new();
    let knock = kit.handler::<Probe>().network_room(150);
    let client = Journal::new().hand(knock).connect().await.unwrap();
    for number in 0..5 {
        client.sender().send(numbered(number, 100)).unwrap();
    }
    quiet().await;
    client
}

/// Everything that comes while no time passes, control frames included.
async fn read_all(client: &mut TestClient) -> Vec<String> {
    let mut all = Vec::new();
    while client.unread() > 0 {
        for received in client.so_far_once().await {
            all.push(match received {
                Received::Message(message) => message.as_text().unwrap().trim_end().to_owned(),
                Received::Ping(_) => "ping".to_owned(),
                Received::Pong(payload) => format!("pong {}", String::from_utf8_lossy(&payload)),
                other => format!("{other:?}"),
            });
        }
        quiet().await;
    }
    all
}

#[tokio::test(start_paused = true)]
async fn a_client_behind_a_backlog_is_pinged_before_it() {
    let mut client = behind().await;
    tokio::time::sleep(secs(26)).await;
    assert_eq!(
        read_all(&mut client).await,
        ["0", "1", "ping", "2", "3", "4"]
    );
}

#[tokio::test(start_paused = true)]
async fn pings_of_a_client_behind_a_backlog_are_answered_before_it_and_the_newest_alone() {
    let mut client = behind().await;
    for number in 0..1000 {
        let payload = number.to_string();
        client.frame(OpCode::Ping, true, payload.as_bytes()).await;
    }
    quiet().await;
    let expected = ["0", "1", "pong 999", "2", "3", "4"];
    assert_eq!(read_all(&mut client).await, expected);
}

/// Notes who speaks.
struct Speaks(Journal, String);

#[ws_handler]
impl Speaks {
    fn init(journal: Journal, handshake: &Handshake) -> Self {
        Speaks(journal, handshake.query().unwrap_or("").to_owned())
    }

    fn message(&mut self, _: String) {
        self.0.note(self.1.clone());
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_with_many_messages_leaves_turns_to_others() {
    let (kit, journal) = (TestKit::new(), Journal::new());
    let connect = |uri| journal.knock::<Speaks>(&kit).uri(uri).connect();
    let mut many = connect("/?many").await.unwrap();
    let mut one = connect("/?one").await.unwrap();
    quiet().await;
    let frame = encode_masked(OpCode::Text, true, b"", [1, 2, 3, 4]);
    let burst = frame.repeat(10_000);
    tokio::join!(many.bytes(&burst), one.send("now"));
    quiet().await;
    let lines = journal.lines();
    assert_eq!(lines.len(), 10_001);
    let place = lines.iter().position(|line| line == "one").unwrap();
    assert!(place <= 1024, "after {place} messages of the other");
}

/// Listens, while its hook keeps the mailbox full.
struct Deaf;

#[ws_handler]
impl Deaf {
    fn init(socket: &Socket<Self>) -> Self {
        socket.listen(&Topic::<String>::new("news"));
        Deaf
    }

    async fn info(&mut self, _: String) {
        std::future::pending::<()>().await;
    }
}

#[tokio::test(start_paused = true)]
async fn one_close_frame_is_sent_however_often_the_mailbox_overflows() {
    let kit = TestKit::new();
    let small = limits(|limits| limits.mailbox = 1);
    let mut client = kit.handler::<Deaf>().limits(small).connect().await.unwrap();
    let news = Topic::<String>::new("news");
    for _ in 0..6 {
        kit.hub().publish(&news, &"news".to_owned());
        quiet().await;
    }
    assert_eq!(client.closed().await.0, CloseCode::TRY_AGAIN_LATER);
    assert_eq!(client.so_far().await, []);
    let notified = client.socket::<Deaf>().notify("late".to_owned());
    assert_eq!(notified, Err(NotifyError::Closed("late".to_owned())));
}

#[tokio::test(start_paused = true)]
async fn times_without_end_are_no_overflow_of_a_clock() {
    let (kit, journal) = (TestKit::new(), Journal::new());
    let endless = Limits {
        ping: Some(Duration::MAX / 2),
        idle: Some(Duration::MAX),
        stall: Duration::MAX,
        init_timeout: Duration::MAX,
        hook_timeout: Duration::MAX,
        close_timeout: Duration::MAX,
        terminate_timeout: Duration::MAX,
        ..Limits::DEFAULT
    };
    let knock = journal.knock::<Probe>(&kit).limits(endless);
    let mut client = knock.connect().await.unwrap();
    client.send("say still here").await;
    assert_eq!(client.text().await, "still here");
    client.send("leave").await;
    client.close(CloseCode::NORMAL, "").await;
    assert_eq!(client.terminated().await.cause, CloseCause::ServerClosed);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_a_byte_now_and_then_does_not_keep_a_closing_connection() {
    let (kit, journal) = (TestKit::new(), Journal::new());
    let knock = journal.knock::<Probe>(&kit).network_room(1);
    let mut client = knock.connect().await.unwrap();
    client.sender().send(numbered(0, 1000)).unwrap();
    client.sender().close(Close::NORMAL);
    quiet().await;
    let start = Instant::now();
    while kit.hub().connection_count() > 0 {
        tokio::time::sleep(secs(1)).await;
        client.so_far_once().await;
    }
    // `stall` and `close_timeout`.
    assert!((35..=36).contains(&seconds(start)), "{}", seconds(start));
    assert_eq!(client.terminated().await.cause, CloseCause::ServerClosed);
}

#[tokio::test(start_paused = true)]
async fn subscribing_twice_doubles_nothing_and_the_later_policy_holds() {
    let (kit, journal) = (TestKit::new(), Journal::new());
    let mut client = journal.knock::<Probe>(&kit).connect().await.unwrap();
    let (topic, socket) = (Topic::<Message>::new("news"), client.socket::<Probe>());
    socket.subscribe(&topic);
    socket.subscribe_with(&topic, Policy::Latest);
    assert_eq!(kit.hub().publish(&topic, &Message::text("once")), 1);
    assert_eq!(client.text().await, "once");
    assert!(socket.unsubscribe(&topic));
    assert_eq!(kit.hub().subscriber_count(&topic), 0);
}

#[tokio::test(start_paused = true)]
async fn a_connection_has_no_more_subscriptions_than_its_limit() {
    let (kit, journal) = (TestKit::new(), Journal::new());
    let two = limits(|limits| limits.subscriptions = 2);
    let knock = journal.knock::<Probe>(&kit).limits(two);
    let mut client = knock.connect().await.unwrap();
    let socket = client.socket::<Probe>();
    for name in ["a", "b", "a", "c"] {
        socket.subscribe(&Topic::<Message>::new(name));
    }
    assert_eq!(client.closed().await.0, CloseCode::INTERNAL_ERROR);
    assert_eq!(kit.hub().subscriber_count(&Topic::<Message>::new("c")), 0);
}
