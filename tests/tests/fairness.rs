//! One client that does its worst takes nothing from the others. Everything is counted, in
//! messages, and nothing is timed.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::future::join_all;
use tokio::io::AsyncWriteExt;
use ws_server::limits::ServerLimits;
use ws_server::prelude::*;
use ws_server::testkit::{TestClient, TestKit};

#[allow(dead_code, reason = "what other tests use of it")]
#[path = "wire/client.rs"]
mod client;
#[allow(dead_code, reason = "what other tests use of it")]
#[path = "wire/running.rs"]
mod running;

use client::{BINARY, Client, TEXT, frame, within};
use running::Running;

/// Messages that a connection handles before it is the others' turn.
const TURN: usize = 512;

/// Connections beside the one that floods.
const QUIET: usize = 100;

/// How often every quiet connection says something.
const ROUNDS: usize = 20;

/// Events that it takes at one look.
const EVENTS_PER_LOOK: usize = 48;

/// Counts what the flood has brought so far.
#[derive(Clone, Default)]
struct Flooded(Arc<AtomicUsize>);

impl Flooded {
    fn so_far(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// Takes the flood.
struct Flood(Flooded);

#[ws_handler]
impl Flood {
    fn init(State(flooded): State<Flooded>) -> Self {
        Flood(flooded)
    }

    fn message(&mut self, _: Bytes) {
        self.0.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// Is told how much the flood had brought when a message was sent, and answers how much it
/// has brought since.
struct Quiet(Flooded);

#[ws_handler]
impl Quiet {
    fn init(State(flooded): State<Flooded>) -> Self {
        Quiet(flooded)
    }

    fn message(&mut self, sent: String) -> String {
        let sent: usize = sent.parse().expect("a number");
        (self.0.so_far() - sent).to_string()
    }
}

dispatch! {
    struct Routes;
    state: Flooded;

    defaults { require_session: false }

    flood: "/flood" => Flood;
    quiet: "/quiet" => Quiet;
}

/// Many small messages.
fn burst() -> Vec<u8> {
    frame(BINARY, [0]).repeat(8 * TURN)
}

/// The flood never let up, and nobody waited for more than `most` messages of it.
fn check(waits: &[usize], flooded: usize, most: usize) {
    assert_eq!(waits.len(), ROUNDS * QUIET);
    let longest = waits.iter().copied().max().unwrap_or_default();
    assert!(longest <= most, "one waited for {longest} messages");
    assert!(
        longest > 0 && flooded >= ROUNDS * TURN,
        "{flooded} is no flood"
    );
}

/// In memory a message is there as soon as it was sent: so each waits for one turn of the
/// flood at most.
#[tokio::test(start_paused = true)]
async fn who_has_a_message_waits_for_no_more_than_one_turn_of_a_flood() {
    let flooded = Flooded::default();
    let kit = TestKit::table(Routes::table(), flooded.clone()).unwrap();
    let mut flood = kit.open("/flood").connect().await.unwrap();
    let knocks = (0..QUIET).map(|_| kit.open("/quiet").connect());
    let mut quiet: Vec<TestClient> = join_all(knocks)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    let flood = tokio::spawn(async move {
        let burst = burst();
        loop {
            // Always more than a turn can take.
            let rest = flood.unsent();
            flood
                .bytes(if rest < burst.len() { &burst } else { &[] })
                .await;
        }
    });
    let mut waits = Vec::new();
    for _ in 0..ROUNDS {
        let sent = flooded.so_far();
        join_all(quiet.iter_mut().map(|client| client.send(sent.to_string()))).await;
        for client in &mut quiet {
            waits.push(within("an echo", client.text()).await.parse().unwrap());
        }
    }
    flood.abort();
    check(&waits, flooded.so_far(), TURN);
}

/// Over TCP a message is there when the runtime next looks at the network, which it does after
/// each turn of the flood; it may take several looks until it has seen every socket.
#[test]
fn over_tcp_the_wait_behind_a_flood_is_bounded_too() {
    let looks = (2 * (QUIET + 1)).div_ceil(EVENTS_PER_LOOK);
    let most = (looks + 1) * TURN;
    ws_server::runtime::block_on_with_workers(1, async {
        let flooded = Flooded::default();
        let server = Server::new(Routes::table()).state(flooded.clone());
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
                client.say(&flooded.so_far().to_string()).await;
            }
            for client in &mut quiet {
                waits.push(client.text().await.parse().unwrap());
            }
        }
        flood.abort();
        check(&waits, flooded.so_far(), most);
    });
}

fn news() -> Topic<Message> {
    Topic::local("news")
}

/// Gets the news, every one of them.
struct Reader;

#[ws_handler]
impl Reader {
    fn init(socket: &Socket<Self>) -> Self {
        socket.subscribe(&news());
        Reader
    }
}

/// Gets the news for which there is room.
struct Lossy;

#[ws_handler]
impl Lossy {
    fn init(socket: &Socket<Self>) -> Self {
        socket.subscribe_with(&news(), Policy::DropNewest);
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

/// More than sockets and an outbox of the default size hold of such news.
const NEWS: usize = 2000;
const SIZE: usize = 32 * 1024;

/// One subscriber who reads nothing, before others who do.
struct Stalled {
    server: Running,
    silent: Client,
    readers: Vec<Client>,
    published: usize,
    /// What the silent one took.
    taken: Vec<usize>,
}

impl Stalled {
    /// `inline` is how many sockets a publish writes to by itself.
    async fn open(path: &str, inline: usize) -> Self {
        let limits = ServerLimits {
            publish_inline: inline,
            ..ServerLimits::DEFAULT
        };
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

    /// Publishes the next of the news. Returns whether everybody took it; the readers always do.
    fn publish(&mut self) -> bool {
        let text = format!("{} {}", self.published, "x".repeat(SIZE));
        let receipt = self.server.ws.hub().publish(&news(), &Message::text(text));
        let reached = receipt.reached();
        let all = reached > READERS;
        if all {
            self.taken.push(self.published);
        }
        self.published += 1;
        assert!(reached >= READERS, "{reached} took it");
        all
    }

    async fn all_read(&mut self, from: usize) {
        for reader in &mut self.readers {
            for number in from..self.published {
                assert_eq!(number_of(&reader.text().await), number);
            }
        }
    }

    /// Publishes until the one who reads nothing has no room left.
    async fn fill(&mut self) {
        while self.publish() {
            assert!(self.published < NEWS, "there is no end of room");
            self.all_read(self.published - 1).await;
        }
        self.all_read(self.published - 1).await;
    }

    /// Publishes more while nobody reads, which this very thread would have to do: a publish
    /// that waited for anybody would never return.
    async fn publish_more(&mut self) {
        let from = self.published;
        let taken = (0..100).filter(|_| self.publish()).count();
        assert!(taken < 50, "there was room again");
        self.all_read(from).await;
    }
}

fn number_of(text: &str) -> usize {
    let (number, rest) = text.split_once(' ').expect("a whole frame");
    assert_eq!(rest.len(), SIZE);
    number.parse().expect("a number")
}

#[tokio::test]
async fn a_subscriber_that_reads_nothing_holds_up_neither_publishers_nor_others() {
    for inline in [1024, 1] {
        let mut topic = Stalled::open("/lossy", inline).await;
        topic.fill().await;
        topic.publish_more().await;
        // What had room comes as soon as it is read, whole and in order; then there is room.
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
async fn a_subscriber_that_must_miss_nothing_is_closed_and_the_others_go_on() {
    for inline in [1024, 1] {
        let mut topic = Stalled::open("/strict", inline).await;
        topic.fill().await;
        topic.publish_more().await;
        let (before, code) = topic.silent.until_close().await;
        assert_eq!(code, 1013);
        assert!(before.len() < topic.taken.len(), "what waited is discarded");
        let whole = |frame: &client::Frame| frame.opcode == TEXT && frame.payload.len() > SIZE;
        assert!(before.iter().all(whole));
    }
}
