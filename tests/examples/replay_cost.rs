//! Measures histories: `cargo run --release -p ws-tests --example replay_cost`.
//!
//! 1,000 clients subscribe to a topic with 100 messages in its history. The program prints the time
//! of each replayed message beside that of a published one, and the memory of an idle subscriber of
//! a topic with a history beside that of one without.

use std::time::{Duration, Instant};

use ws_core::testkit::{TestClient, TestKit};
use ws_server::limits::ServerLimits;
use ws_server::prelude::*;

const SUBSCRIBERS: usize = 1_000;
const MESSAGES: usize = 100;
/// Bytes of a message.
const SIZE: usize = 100;

topics! {
    /// A topic whose history is replayed.
    News: "news" => String { history: 100, keep: 10m };
    /// The same without a history.
    Notices: "notices" => String;
}

/// Does nothing.
struct Guest;

#[ws_handler]
impl Guest {
    fn init() -> Self {
        Guest
    }
}

async fn connect(kit: &TestKit) -> Vec<TestClient> {
    let mut clients = Vec::new();
    for _ in 0..SUBSCRIBERS {
        let client = kit.handler::<Guest>().connect().await;
        clients.push(client.expect("the kit accepts every client"));
    }
    clients
}

fn publish(kit: &TestKit) {
    let text = "x".repeat(SIZE);
    for _ in 0..MESSAGES {
        kit.hub().publish(News, &text);
    }
}

/// The time of each message to each subscriber, until all of them are written.
async fn time(clients: &[TestClient], run: impl FnOnce()) -> Duration {
    let start = Instant::now();
    run();
    // The connections' own tasks write what exceeds one burst.
    for client in clients {
        while client.unread() < MESSAGES * (SIZE + 2) {
            tokio::task::yield_now().await;
        }
    }
    let count = u32::try_from(SUBSCRIBERS * MESSAGES).expect("a small number");
    start.elapsed() / count
}

async fn measure_replay() {
    let kit = TestKit::with_limits(ServerLimits::DEFAULT.per_address(None));
    let clients = connect(&kit).await;
    publish(&kit);
    let replayed = time(&clients, || {
        for client in &clients {
            client.socket::<Guest>().subscribe(News.replay(MESSAGES));
        }
    })
    .await;
    println!("a replayed message   {replayed:>10.0?}");
    assert_nothing_doubled(&clients);
    let clients = connect(&kit).await;
    for client in &clients {
        client.socket::<Guest>().subscribe(News);
    }
    let published = time(&clients, || publish(&kit)).await;
    println!("a published message  {published:>10.0?}");
    assert_nothing_doubled(&clients);
}

fn assert_nothing_doubled(clients: &[TestClient]) {
    for client in clients {
        assert_eq!(client.unread(), MESSAGES * (SIZE + 2));
    }
}

/// The memory that a subscription takes for each of the clients.
fn memory(clients: &[TestClient], subscribe: impl Fn(&Socket<Guest>)) -> i64 {
    let memory = allocation_counter::measure(|| {
        for client in clients {
            subscribe(&client.socket());
        }
    });
    memory.bytes_current / i64::try_from(clients.len()).expect("a small number")
}

async fn measure_memory() {
    let kit = TestKit::with_limits(ServerLimits::DEFAULT.per_address(None));
    publish(&kit);
    let clients = connect(&kit).await;
    let bytes = memory(&clients, |socket| {
        socket.subscribe(Topic::<String>::local("local"));
    });
    println!("a subscriber, local            {bytes:>6} B");
    let clients = connect(&kit).await;
    let bytes = memory(&clients, |socket| socket.subscribe(Notices));
    println!("a subscriber, no history       {bytes:>6} B");
    let clients = connect(&kit).await;
    let bytes = memory(&clients, |socket| socket.subscribe(News));
    println!("a subscriber, with history     {bytes:>6} B");
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        measure_replay().await;
        measure_memory().await;
    });
}
