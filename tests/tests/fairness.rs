//! One hostile client does not slow the others down. The tests count messages and measure no time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::future::join_all;
use tokio::io::AsyncWriteExt;
use ws_server::Policy;
use ws_server::limits::ServerLimits;
use ws_server::prelude::*;
use ws_server::testkit::{TestClient, TestKit};

#[allow(dead_code, reason = "other tests use the rest")]
#[path = "wire/client.rs"]
mod client;
#[allow(dead_code, reason = "other tests use the rest")]
#[path = "wire/running.rs"]
mod running;

use client::{BINARY, Client, TEXT, frame, within};
use running::Running;

/// The number of messages that a connection handles before other tasks run.
const TURN: usize = 512;

/// The number of connections besides the flooding one.
const QUIET: usize = 100;

/// The number of messages that each quiet connection sends.
const ROUNDS: usize = 20;

/// The number of events that the runtime fetches in one poll.
const EVENTS_PER_POLL: usize = 48;

/// Counts the messages of the flood.
#[derive(Clone, Default)]
struct FloodCount(Arc<AtomicUsize>);

impl FloodCount {
    fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// Receives the flood.
struct Flood(FloodCount);

#[ws_handler]
impl Flood {
    fn init(State(count): State<FloodCount>) -> Self {
        Flood(count)
    }

    fn message(&mut self, _: Bytes) {
        self.0.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Receives the count of the flood at the time of sending; answers with how many messages of the
/// flood were handled since.
struct Quiet(FloodCount);

#[ws_handler]
impl Quiet {
    fn init(State(count): State<FloodCount>) -> Self {
        Quiet(count)
    }

    fn message(&mut self, sent: String) -> String {
        let sent: usize = sent.parse().expect("a number");
        (self.0.get() - sent).to_string()
    }
}

dispatch! {
    struct Routes;
    state: FloodCount;

    defaults { require_session: false }

    flood: "/flood" => Flood;
    quiet: "/quiet" => Quiet;
}

/// Many small messages in one buffer.
fn burst() -> Vec<u8> {
    frame(BINARY, [0]).repeat(8 * TURN)
}

/// Checks that the flood never stopped, and that no message waited for more than `most` messages of
/// it.
fn check(waits: &[usize], count: usize, max: usize) {
    assert_eq!(waits.len(), ROUNDS * QUIET);
    let longest = waits.iter().copied().max().unwrap_or_default();
    assert!(longest <= max, "a message waited for {longest} messages");
    assert!(
        longest > 0 && count >= ROUNDS * TURN,
        "{count} messages are not a flood"
    );
}

/// In memory, a message is readable as soon as it was sent, so it waits for at most one turn of the
/// flood.
#[tokio::test(start_paused = true)]
async fn a_message_waits_for_at_most_one_turn_of_a_flood() {
    let count = FloodCount::default();
    let kit = TestKit::table(Routes::table(), count.clone()).unwrap();
    let mut flood = kit.open("/flood").connect().await.unwrap();
    let builders = (0..QUIET).map(|_| kit.open("/quiet").connect());
    let mut quiet: Vec<TestClient> = join_all(builders)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    let flood = tokio::spawn(async move {
        let burst = burst();
        loop {
            // There is always more than one turn handles.
            let rest = flood.unsent();
            flood
                .send_bytes(if rest < burst.len() { &burst } else { &[] })
                .await;
        }
    });
    let mut waits = Vec::new();
    for _ in 0..ROUNDS {
        let sent = count.get();
        join_all(quiet.iter_mut().map(|client| client.send(sent.to_string()))).await;
        for client in &mut quiet {
            waits.push(within("an echo", client.text()).await.parse().unwrap());
        }
    }
    flood.abort();
    check(&waits, count.get(), TURN);
}

/// Over TCP, a message is readable when the runtime next polls the network, which it does after
/// each turn of the flood. It may take several polls to see every socket.
#[test]
fn over_tcp_the_wait_behind_a_flood_is_bounded() {
    let looks = (2 * (QUIET + 1)).div_ceil(EVENTS_PER_POLL);
    let max = (looks + 1) * TURN;
    ws_server::runtime::block_on_with_workers(1, async {
        let count = FloodCount::default();
        let server = Server::new(Routes::table()).state(count.clone());
        let server = Running::start(server.build().unwrap()).await;
        let mut quiet = Vec::new();
        for _ in 0..QUIET {
            quiet.push(server.open("/quiet").await);
        }
        let mut flood = server.open("/flood").await.stream;
        let flood = tokio::spawn(async move {
            let burst = burst();
            while flood.write_all(&burst).await.is_ok() {}
        });
        let mut waits = Vec::new();
        for _ in 0..ROUNDS {
            for client in &mut quiet {
                client.send_text(&count.get().to_string()).await;
            }
            for client in &mut quiet {
                waits.push(client.text().await.parse().unwrap());
            }
        }
        flood.abort();
        check(&waits, count.get(), max);
    });
}

fn news() -> Topic<Message> {
    Topic::local("news")
}

/// Subscribes to all news.
struct Reader;

#[ws_handler]
impl Reader {
    fn init(socket: &Socket<Self>) -> Self {
        socket.subscribe(news());
        Reader
    }
}

/// Subscribes to the news, with a policy that drops messages if the outbox is full.
struct Lossy;

#[ws_handler]
impl Lossy {
    fn init(socket: &Socket<Self>) -> Self {
        socket.subscribe_with(news(), Policy::DropNewest);
        Lossy
    }
}

dispatch! {
    struct Subscribers;

    defaults { require_session: false, stall: 1h }

    reader: "/reader" => Reader { outbox: 64 MiB };
    strict: "/strict" => Reader;
    lossy:  "/lossy"  => Lossy;
}

const READERS: usize = 4;

/// More than sockets and an outbox of the default size can hold.
const NEWS: usize = 2000;
const SIZE: usize = 32 * 1024;

/// One subscriber that reads nothing, in front of others that do.
struct Stalled {
    server: Running,
    silent: Client,
    readers: Vec<Client>,
    published: usize,
    /// The messages that the silent subscriber accepted.
    taken: Vec<usize>,
}

impl Stalled {
    /// `inline` is the number of sockets that a publish writes to itself.
    async fn open(path: &str, inline: usize) -> Self {
        let limits = ServerLimits::DEFAULT.publish_inline(inline);
        let ws = Server::new(Subscribers::table()).server_limits(limits);
        let server = Running::start(ws.build().unwrap()).await;
        let silent = server.open(path).await;
        let mut readers = Vec::new();
        for _ in 0..READERS {
            readers.push(server.open("/reader").await);
        }
        Self {
            server,
            silent,
            readers,
            published: 0,
            taken: Vec::new(),
        }
    }

    /// Publishes the next message. Returns whether every subscriber accepted it; the readers always
    /// do.
    fn publish(&mut self) -> bool {
        let text = format!("{} {}", self.published, "x".repeat(SIZE));
        let receipt = self.server.ws.hub().publish(news(), &Message::text(text));
        let reached = receipt.reached();
        let all = reached > READERS;
        if all {
            self.taken.push(self.published);
        }
        self.published += 1;
        assert!(reached >= READERS, "{reached} accepted it");
        all
    }

    async fn all_read(&mut self, from: usize) {
        for reader in &mut self.readers {
            for number in from..self.published {
                assert_eq!(number_of(&reader.text().await), number);
            }
        }
    }

    /// Publishes until the silent subscriber has no room left.
    async fn fill(&mut self) {
        while self.publish() {
            assert!(self.published < NEWS, "the outbox never fills");
            self.all_read(self.published - 1).await;
        }
        self.all_read(self.published - 1).await;
    }

    /// Publishes more while no client reads. The readers would run on this thread, so a publish
    /// that waits for a reader would never return.
    async fn publish_more(&mut self) {
        let from = self.published;
        let taken = (0..100).filter(|_| self.publish()).count();
        assert!(taken < 50, "the outbox has room again");
        self.all_read(from).await;
    }
}

fn number_of(text: &str) -> usize {
    let (number, rest) = text.split_once(' ').expect("a whole frame");
    assert_eq!(rest.len(), SIZE);
    number.parse().expect("a number")
}

#[tokio::test]
async fn a_subscriber_that_reads_nothing_delays_neither_publishers_nor_others() {
    for inline in [1024, 1] {
        let mut topic = Stalled::open("/lossy", inline).await;
        topic.fill().await;
        topic.publish_more().await;
        // The accepted messages arrive whole and in order; then there is room again.
        for number in std::mem::take(&mut topic.taken) {
            assert_eq!(number_of(&topic.silent.text().await), number);
        }
        let number = topic.published;
        assert!(topic.publish());
        assert_eq!(number_of(&topic.silent.text().await), number);
        topic.all_read(number).await;
    }
}

#[tokio::test]
async fn a_subscriber_that_must_not_miss_messages_is_closed_and_others_continue() {
    for inline in [1024, 1] {
        let mut topic = Stalled::open("/strict", inline).await;
        topic.fill().await;
        topic.publish_more().await;
        let (before, code) = topic.silent.until_close().await;
        assert_eq!(code, 1013);
        assert!(
            before.len() < topic.taken.len(),
            "waiting messages are discarded"
        );
        let whole = |frame: &client::Frame| frame.opcode == TEXT && frame.payload.len() > SIZE;
        assert!(before.iter().all(whole));
    }
}
