//! Defects that were fixed; each test fails if its defect returns.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt;
use tokio::time::{Instant, timeout};
use ws_core::protocol::OpCode;
use ws_core::protocol::encoder::encode_masked;
use ws_core::testkit::{Received, TestClient, TestKit};
use ws_server::CloseCause;
use ws_server::prelude::*;
use ws_server::{NotifyError, SendError};

use crate::journal::{Journal, limits, seconds, secs, settle};
use crate::probe::{Probe, numbered};

mod keeping;

/// Resets the client that the test has stored, in the middle of a hook.
struct Cuts;

#[derive(Clone, Default)]
struct Victim(Arc<Mutex<Option<TestClient>>>);

#[ws_handler]
impl Cuts {
    fn init() -> Self {
        Cuts
    }

    fn message(&mut self, text: String, State(Victim(victim)): State<Victim>) -> String {
        if let Some(mut victim) = victim.lock().unwrap().take() {
            // The first poll resets it.
            let _ = victim.reset().now_or_never();
        }
        text
    }
}

dispatch! {
    struct Routes;
    state: Victim;

    cuts: "/" => Cuts { require_session: false };
}

#[tokio::test(start_paused = true)]
async fn an_unwritten_reply_never_reaches_the_next_client() {
    for direct in [true, false] {
        let victim = Victim::default();
        let kit = TestKit::table(Routes::table(), victim.clone()).unwrap();
        let builder = || {
            let builder = kit.open("/");
            if direct {
                builder
            } else {
                builder.without_direct_writes()
            }
        };
        let mut first = builder().connect().await.unwrap();
        let mut next = builder().connect().await.unwrap();
        let sender = first.sender().clone();
        first.send_frame(OpCode::Ping, true, b"").await;
        assert_eq!(first.receive().await, Received::Pong(Bytes::new()));
        leave_to_the_hook(first, &victim);
        settle().await;
        assert!(!sender.is_open(), "the write has failed");
        next.send("mine").await;
        assert_eq!(next.text().await, "mine");
    }
}

/// Sends a message, and stores the client, which the hook that answers it then resets.
fn leave_to_the_hook(mut client: TestClient, victim: &Victim) {
    assert_eq!(client.send("another").now_or_never(), None);
    assert!(client.unsent() > 0, "nobody has read it yet");
    *victim.0.lock().unwrap() = Some(client);
}

on_both_transports! {
    async fn a_waiting_reply_and_pushes_of_other_tasks_never_mix_frames(on_transport: TransportChoice) {
        let builder = on_transport(Journal::new().client::<Probe>(&TestKit::new()).network_capacity(10));
        let builder = builder.limits(limits(|limits| limits.outbox = 100));
        let mut client = builder.connect().await.unwrap();
        let socket = client.socket::<Probe>();
        let pusher = tokio::spawn(async move {
            for number in 0..20 {
                // Large enough for two pieces of one frame.
                socket.send_async(numbered(1000 + number, 5000)).await.unwrap();
            }
        });
        client.send("many 60 90").await;
        client.send("many 60 20").await;
        let mut received = [Vec::new(), Vec::new()];
        for _ in 0..140 {
            let text = client.text().await;
            let number: usize = text.trim_end().parse().expect("a whole frame");
            let size = if number >= 1000 { 5000 } else { text.len() };
            assert_eq!(text, numbered(number, size));
            received[usize::from(number >= 1000)].push(number);
        }
        pusher.await.unwrap();
        assert_eq!(received[0], (0..60).chain(0..60).collect::<Vec<_>>());
        assert_eq!(received[1], (1000..1020).collect::<Vec<_>>());
    }

    async fn a_ping_overtakes_a_backlog_and_never_splits_a_frame(on_transport: TransportChoice) {
        let builder = on_transport(Journal::new().client::<Probe>(&TestKit::new()).network_capacity(10));
        let mut client = builder.connect().await.unwrap();
        for number in 0..3 {
            client.socket::<Probe>().send(numbered(number, 1000)).unwrap();
        }
        // It reads a little, so that it does not count as stalled.
        for _ in 0..2 {
            tokio::time::sleep(secs(13)).await;
            assert_eq!(client.received_in_one_read().await, []);
        }
        assert_eq!(client.receive().await, text(0, 1000));
        assert_eq!(client.receive().await, Received::Ping(Bytes::new()));
        assert_eq!(client.receive().await, text(1, 1000));
        assert_eq!(client.receive().await, text(2, 1000));
    }

    async fn a_flood_of_pings_queues_one_pong(on_transport: TransportChoice) {
        let builder = on_transport(Journal::new().client::<Probe>(&TestKit::new()).network_capacity(10));
        let mut client = builder.connect().await.unwrap();
        let socket = client.socket::<Probe>();
        for number in 0..2 {
            socket.send(numbered(number, 1000)).unwrap();
        }
        settle().await;
        let waiting = socket.buffered();
        for number in 0..2000 {
            client.send_frame(OpCode::Ping, true, number.to_string().as_bytes()).await;
        }
        settle().await;
        assert_eq!(client.unsent(), 0, "everything is read");
        assert_eq!(socket.buffered(), waiting + 6);
        assert_eq!(socket.dropped(), 0, "no topic has lost anything");
        assert_eq!(client.receive().await, text(0, 1000));
        assert_eq!(client.receive().await, Received::Pong(Bytes::from_static(b"1999")));
        assert_eq!(client.receive().await, text(1, 1000));
    }

    async fn closed_resolves_on_fin_and_on_reset_while_a_hook_waits(on_transport: TransportChoice) {
        for reset in [false, true] {
            let journal = Journal::new();
            let mut client = on_transport(journal.client::<Probe>(&TestKit::new())).connect().await.unwrap();
            client.send("wait 20").await;
            let sender = client.sender().clone();
            let mut closed = pin!(sender.closed());
            settle().await;
            assert_eq!(closed.as_mut().now_or_never(), None);
            let start = Instant::now();
            if reset { client.reset().await } else { client.end().await }
            closed.await;
            assert_eq!(seconds(start), 0);
            assert_eq!(journal.lines_of("done"), Vec::<String>::new(), "the hook still runs");
        }
    }

    async fn one_close_is_sent_however_many_overflows_follow(on_transport: TransportChoice) {
        let (kit, journal) = (TestKit::new(), Journal::new());
        let builder = on_transport(journal.client::<Probe>(&kit).network_capacity(10));
        let builder = builder.limits(limits(|limits| limits.outbox = 100));
        let mut client = builder.connect().await.unwrap();
        let socket = client.socket::<Probe>();
        let topic: Topic<Message> = Topic::local("all");
        socket.subscribe(&topic);
        socket.send(numbered(0, 60)).unwrap();
        settle().await;
        for _ in 0..10 {
            let refused = socket.send(numbered(1, 60)).unwrap_err();
            assert_eq!(refused, SendError::Closed(numbered(1, 60).into()));
            assert_eq!(kit.hub().publish(&topic, &numbered(2, 60).into()).reached(), 0);
            socket.close(Close::NORMAL);
            settle().await;
        }
        // The next stall discards the outbox again.
        tokio::time::sleep(secs(31)).await;
        assert_eq!(client.receive().await, text(0, 60));
        assert_eq!(client.closed().await.0, CloseCode::TRY_AGAIN_LATER);
        assert_eq!(client.receive().await, Received::End);
        assert_eq!(client.terminated().await.cause, CloseCause::Overflow);
    }

    async fn a_close_that_is_half_written_is_not_sent_again(on_transport: TransportChoice) {
        let (kit, journal) = (TestKit::new(), Journal::new());
        let builder = on_transport(journal.client::<Probe>(&kit).network_capacity(3));
        let mut client = builder.connect().await.unwrap();
        client.socket::<Probe>().close(Close::normal("once"));
        tokio::time::sleep(secs(31)).await;
        let closed = Received::Close(CloseCode::NORMAL, "once".to_owned());
        assert_eq!(client.receive().await, closed);
        assert_eq!(client.receive().await, Received::End);
    }

    async fn a_closing_client_that_reads_byte_by_byte_is_cut_eventually(on_transport: TransportChoice) {
        let (kit, journal) = (TestKit::new(), Journal::new());
        let builder = on_transport(journal.client::<Probe>(&kit).network_capacity(1));
        let mut client = builder.connect().await.unwrap();
        client.socket::<Probe>().send(numbered(0, 1000)).unwrap();
        client.socket::<Probe>().close(Close::NORMAL);
        let start = Instant::now();
        while journal.lines_of("terminate").is_empty() && seconds(start) < 100 {
            tokio::time::sleep(secs(1)).await;
            assert_eq!(client.received_in_one_read().await, []);
        }
        let limits = ws_server::limits::Limits::DEFAULT;
        let expected = (limits.stall + limits.close_timeout).as_secs();
        assert!((expected..=expected + 1).contains(&seconds(start)), "{}", seconds(start));
        assert_eq!(client.terminated().await.cause, CloseCause::ServerClosed);
    }

    async fn limits_of_any_length_work(on_transport: TransportChoice) {
        let (kit, journal) = (TestKit::new(), Journal::new());
        let builder = on_transport(journal.client::<Probe>(&kit).network_capacity(10));
        let builder = builder.limits(limits(|limits| {
            (limits.ping, limits.idle) = (Some(Duration::MAX), Some(Duration::MAX));
            (limits.stall, limits.init_timeout) = (Duration::MAX, Duration::MAX);
            (limits.hook_timeout, limits.close_timeout) = (Duration::MAX, Duration::MAX);
            limits.terminate_timeout = Duration::MAX;
        }));
        let mut client = builder.connect().await.unwrap();
        let socket = client.socket::<Probe>();
        assert!(socket.notify_after(Duration::MAX, "never".to_owned()).is_set());
        client.send("wait 100000").await;
        assert_eq!(client.text().await, "waited");
        client.send("many 2 100").await;
        tokio::time::sleep(secs(100_000)).await;
        assert_eq!(client.text().await, numbered(0, 100));
        assert_eq!(client.text().await, numbered(1, 100));
        let hub = kit.hub().clone();
        let shutdown = tokio::spawn(async move { hub.shutdown(Duration::MAX).await });
        assert_eq!(client.closed().await.0, CloseCode::GOING_AWAY);
        tokio::time::sleep(secs(100_000)).await;
        client.close(CloseCode::GOING_AWAY, "").await;
        shutdown.await.unwrap();
        assert_eq!(journal.lines_of("terminate").len(), 1);
    }

    async fn notify_returns_closed_after_our_close(on_transport: TransportChoice) {
        let (kit, journal) = (TestKit::new(), Journal::new());
        let mut client = on_transport(journal.client::<Probe>(&kit)).connect().await.unwrap();
        let socket = client.socket::<Probe>();
        socket.close(Close::NORMAL);
        let late = || "late".to_owned();
        assert_eq!(socket.notify(late()), Err(NotifyError::Closed(late())));
        assert_eq!(socket.notify_async(late()).await, Err(NotifyError::Closed(late())));
        assert_eq!(client.closed().await.0, CloseCode::NORMAL);
        assert_eq!(socket.notify(late()), Err(NotifyError::Closed(late())));
        assert_eq!(journal.lines_of("info"), Vec::<String>::new());
    }
}

fn text(number: usize, size: usize) -> Received {
    Received::Message(numbered(number, size).into())
}

/// Counts the polls of its hook's future.
struct Counts;

static POLLS: AtomicUsize = AtomicUsize::new(0);

#[ws_handler]
impl Counts {
    fn init() -> Self {
        Counts
    }

    async fn message(&mut self, text: String, socket: &Socket<Self>) -> &'static str {
        for number in 0..3 {
            let mut send = pin!(socket.send_async(numbered(number, text.len())));
            let counted = poll_fn(|cx| {
                POLLS.fetch_add(1, Ordering::Relaxed);
                send.as_mut().poll(cx)
            });
            counted.await.expect("the client reads in the end");
        }
        "done"
    }
}

#[tokio::test(start_paused = true)]
async fn a_hook_that_waits_to_send_does_not_spin_and_continues_when_the_client_reads() {
    let builder = TestKit::new().handler::<Counts>().network_capacity(10);
    let builder = builder.limits(limits(|limits| limits.outbox = 100));
    let mut client = builder.connect().await.unwrap();
    client.send("x".repeat(90)).await;
    // If the task spins, it is polled between any two of these, and paused time never advances.
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    let polls = POLLS.load(Ordering::Relaxed);
    assert!((2..10).contains(&polls), "polled {polls} times");
    for number in 0..3 {
        assert_eq!(client.text().await, numbered(number, 90));
    }
    assert_eq!(client.text().await, "done");
}

/// Uses up the task's budget for one turn.
struct Greedy;

#[ws_handler]
impl Greedy {
    fn init() -> Self {
        Greedy
    }

    async fn message(&mut self, _: String) {
        for _ in 0..500 {
            tokio::task::consume_budget().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_clocks_run_after_the_first_poll_uses_up_its_budget() {
    let mut client = TestKit::new().handler::<Greedy>().connect().await.unwrap();
    let start = Instant::now();
    client.send("go").await;
    let ping = timeout(secs(100), client.receive()).await;
    assert_eq!(ping, Ok(Received::Ping(Bytes::new())));
    assert_eq!(seconds(start), 25);
    let close = timeout(secs(100), client.closed()).await;
    assert_eq!(close.map(|(code, _)| code), Ok(CloseCode::GOING_AWAY));
    assert_eq!(seconds(start), 60);
}

/// Records every message, and answers none.
struct Listens(Journal);

#[ws_handler]
impl Listens {
    fn init(journal: Journal) -> Self {
        Listens(journal)
    }

    fn message(&mut self, text: String) {
        self.0.note(text);
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_with_many_tiny_messages_does_not_delay_others() {
    const MANY: usize = 10_000;
    let (kit, journal) = (TestKit::new(), Journal::new());
    let mut busy = journal.client::<Listens>(&kit).connect().await.unwrap();
    let mut other = journal.client::<Listens>(&kit).connect().await.unwrap();
    settle().await;
    let burst = encode_masked(OpCode::Text, true, b"b", [1, 2, 3, 4]).repeat(MANY);
    // Both have sent before the server handles either.
    let mut both = pin!(async { tokio::join!(busy.send_bytes(&burst), other.send("other")) });
    assert_eq!(both.as_mut().now_or_never(), None);
    settle().await;
    let lines = journal.lines();
    assert_eq!(lines.len(), MANY + 1);
    let place = lines.iter().position(|line| line == "other");
    assert!(place.is_some_and(|place| place <= 1024), "after {place:?}");
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_that_begins_while_terminate_runs_cuts_it() {
    /// Never returns.
    struct Endless(Journal);

    #[ws_handler]
    impl Endless {
        fn init(journal: Journal) -> Self {
            Endless(journal)
        }

        async fn terminate(self) {
            let _cut = crate::journal::NoteOnDrop(self.0.clone(), "cut");
            std::future::pending::<()>().await;
        }
    }
    let (kit, journal) = (TestKit::new(), Journal::new());
    let builder = journal.client::<Endless>(&kit);
    let builder = builder.limits(limits(|limits| limits.terminate_timeout = secs(3600)));
    let mut client = builder.connect().await.unwrap();
    client.end().await;
    tokio::time::sleep(secs(1)).await;
    assert_eq!(journal.lines(), Vec::<String>::new());
    let start = Instant::now();
    kit.hub().shutdown(secs(2)).await;
    assert_eq!(seconds(start), 2);
    assert_eq!(journal.lines(), ["cut"]);
}
