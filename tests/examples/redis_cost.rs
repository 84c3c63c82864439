//! Measures the log in Redis beside Redis alone: `cargo run --release -p ws-tests --example redis_cost`.
//!
//! Two hubs of this process, each with a thread of its own, share a `redis-server` that the program
//! starts. Each row shows what they reach, what `redis-benchmark` or plain connections reach with the
//! command that does the least (with two subscribers of the channel), and the ratio. Needs Debian's
//! `redis-server` and `redis-tools`.

use std::future::ready;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use futures::stream::{self, StreamExt};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Builder;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinSet;
use ws_server::cluster::{ClusterOptions, Lanes};
use ws_server::limits::ServerLimits;
use ws_server::prelude::*;
use ws_server::redis::{Redis, RedisEngine};
use ws_server::session::{Secrets, Sessions};
use ws_server::testkit::TestKit;
use ws_tests::RedisServer;

/// Servers of the cluster, and subscribers of the channel beside it.
const NODES: usize = 2;

/// Bytes of a message.
const SIZE: usize = 200;

/// Messages under way at once.
const IN_FLIGHT: usize = 64;

/// Messages of each measurement.
const MESSAGES: usize = 100_000;

/// Messages of a measurement that sends one at a time.
const SINGLE: usize = 10_000;

topics! {
    /// Without a history.
    Plain: "plain/{id: u64}" => String;
    /// The one with a subscriber.
    Heard: "heard" => String;
    /// With a history.
    Kept: "kept/{id: u64}" => String { history: 100, keep: 10m };
}

/// Gets the messages of a topic.
struct Reader;

#[ws_handler]
impl Reader {
    fn init(socket: &Socket<Self>) -> Self {
        socket.subscribe(Heard);
        Reader
    }
}

/// Runs `redis-benchmark` with one connection; the number of commands per second.
async fn benchmark(server: &RedisServer, in_flight: usize, count: usize, command: &[&str]) -> f64 {
    let mut benchmark = tokio::process::Command::new("redis-benchmark");
    benchmark.args(["-p", &server.port().to_string(), "-c", "1", "--csv"]);
    benchmark.args(["-P", &in_flight.to_string(), "-n", &count.to_string()]);
    let output = benchmark.args(command).output().await;
    let output = output.expect("redis-tools is installed");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let fields = text
        .lines()
        .last()
        .and_then(|line| line.rsplit("\",\"").nth(6));
    let rate = fields.and_then(|rate| rate.trim_matches('"').parse().ok());
    rate.unwrap_or_else(|| panic!("no rate in {text}"))
}

async fn node(server: &RedisServer) -> TestKit {
    let engine = RedisEngine::new(Redis::new(&server.url()).expect("a URL"), Lanes::DEFAULT);
    let secrets = Secrets::new([[7; 32]]).expect("32 bytes");
    let (limits, options) = (ServerLimits::DEFAULT, ClusterOptions::DEFAULT);
    let kit = TestKit::with_hub(Hub::with_engine(
        limits,
        Sessions::default(),
        secrets,
        engine,
        &options,
    ));
    kit.hub().ready().await;
    kit
}

/// What a run has reached: messages per second, and the time of Redis for each.
struct Reached {
    rate: f64,
    spent: Duration,
}

/// Publishes `count` messages, `in_flight` at a time, with this function.
async fn publish<F: Future<Output = ()>>(
    server: &RedisServer,
    in_flight: usize,
    count: usize,
    publish: impl Fn(u64) -> F,
) -> Reached {
    let (before, start) = (server.spent().await, Instant::now());
    let all = stream::iter(0..count as u64).map(publish);
    all.buffer_unordered(in_flight)
        .for_each(|()| ready(()))
        .await;
    let elapsed = start.elapsed();
    let messages = u32::try_from(count).expect("small");
    Reached {
        rate: f64::from(messages) / elapsed.as_secs_f64(),
        spent: server.spent().await.saturating_sub(before) / messages,
    }
}

/// The same with a command of `redis-benchmark`.
async fn floor(server: &RedisServer, in_flight: usize, count: usize, command: &[&str]) -> Reached {
    let mut subscribers = JoinSet::new();
    for _ in 0..NODES {
        let mut stream = server.connect().await;
        stream.write_all(b"SUBSCRIBE t\r\n").await.expect("sent");
        subscribers.spawn(async move {
            let mut part = vec![0; 64 * 1024];
            while stream.read(&mut part).await.is_ok_and(|len| len > 0) {}
        });
    }
    let before = server.spent().await;
    let rate = benchmark(server, in_flight, count, command).await;
    let messages = u32::try_from(count).expect("small");
    let spent = server.spent().await.saturating_sub(before) / messages;
    Reached { rate, spent }
}

/// Starts the node of the other thread, with a client that notes when each message arrives.
fn start_other(server: &Arc<RedisServer>) -> UnboundedReceiver<Instant> {
    let (arrived, arrivals) = unbounded_channel();
    let server = server.clone();
    run_beside(async move {
        let kit = node(&server).await;
        let mut client = kit.handler::<Reader>().connect().await.expect("accepted");
        // The first one: it is ready.
        while arrived.send(Instant::now()).is_ok() {
            client.text().await;
        }
    });
    arrivals
}

/// Runs a future in a thread of its own.
fn run_beside(future: impl Future<Output = ()> + Send + 'static) {
    thread::spawn(|| {
        let runtime = Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(future);
    });
}

/// The median time from a publish on one node to its arrival at a client of the other.
async fn echo(one: &TestKit, arrivals: &mut UnboundedReceiver<Instant>) -> Duration {
    let text = "x".repeat(SIZE);
    let mut times = Vec::new();
    for _ in 0..SINGLE / 10 {
        let start = Instant::now();
        one.hub().publish(Heard, &text);
        let arrival = arrivals.recv().await.expect("the other node runs");
        times.push(arrival - start);
    }
    median(times)
}

/// The same with `PUBLISH` and `SUBSCRIBE` on two plain connections, the second one of another thread.
async fn echo_floor(server: &Arc<RedisServer>) -> Duration {
    let mut publisher = server.connect().await;
    let (arrived, mut arrivals) = unbounded_channel();
    let other = server.clone();
    run_beside(async move {
        let mut subscriber = other.connect().await;
        subscriber
            .write_all(b"SUBSCRIBE t\r\n")
            .await
            .expect("sent");
        let mut part = [0; 4096];
        let len = subscriber.read(&mut part).await.expect("an answer");
        assert!(part[..len].starts_with(b"*3"), "subscribed");
        while arrived.send(Instant::now()).is_ok() {
            let mut len = 0;
            while len < SIZE {
                len += subscriber.read(&mut part).await.expect("a message");
            }
        }
    });
    arrivals.recv().await.expect("subscribed");
    let command = format!("PUBLISH t {}\r\n", "x".repeat(SIZE));
    let (mut times, mut part) = (Vec::new(), [0; 64]);
    for _ in 0..SINGLE / 10 {
        let start = Instant::now();
        publisher.write_all(command.as_bytes()).await.expect("sent");
        let arrival = arrivals.recv().await.expect("the other thread runs");
        times.push(arrival - start);
        let len = publisher.read(&mut part).await.expect("an answer");
        assert_eq!(&part[..len], b":1\r\n");
    }
    median(times)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn show(name: &str, unit: &str, ours: f64, floor: f64) {
    let ratio = ours / floor;
    println!("{name:<44} {ours:>10.1} {floor:>10.1} {unit:<5} {ratio:>6.2}");
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let server = Arc::new(RedisServer::start().await);
    let one = node(&server).await;
    let mut arrivals = start_other(&server);
    arrivals.recv().await.expect("the other node is ready");
    let text = "x".repeat(SIZE);
    let plain = async |_| {
        let published = one.hub().publish(&Plain(0), &text).await;
        published.expect("the log accepts messages");
    };
    let spread = async |id: u64| {
        let published = one.hub().publish(&Plain(id), &text).await;
        published.expect("the log accepts messages");
    };
    let kept = async |_| {
        let published = one.hub().publish(&Kept(0), &text).await;
        published.expect("the log accepts messages");
    };
    println!(
        "{:<44} {:>10} {:>10} {:<5} {:>6}",
        "", "two nodes", "Redis", "", "ratio"
    );
    for (in_flight, count) in [(IN_FLIGHT, MESSAGES), (1, SINGLE)] {
        let ours = publish(&server, in_flight, count, plain).await;
        let in_lanes = publish(&server, in_flight, count, spread).await;
        let with_history = publish(&server, in_flight, count, kept).await;
        let pubsub = floor(&server, in_flight, count, &["PUBLISH", "t", &text]).await;
        let stream = ["XADD", "s", "MAXLEN", "~", "1000", "*", "e", &text];
        let stream = floor(&server, in_flight, count, &stream).await;
        println!("{in_flight} in flight");
        show("  published, beside PUBLISH", "1/s", ours.rate, pubsub.rate);
        let (rate, least) = (in_lanes.rate, pubsub.rate);
        show("  the same to topics in all lanes", "1/s", rate, least);
        let (spent, least) = (micros(ours.spent), micros(pubsub.spent));
        show("  time of Redis, beside PUBLISH", "µs", spent, least);
        let (spent, least) = (micros(with_history.spent), micros(stream.spent));
        show("  the same with a history, beside XADD", "µs", spent, least);
    }
    let ours = echo(&one, &mut arrivals).await;
    let least = echo_floor(&server).await;
    show(
        "from node to node, beside PUBLISH",
        "µs",
        micros(ours),
        micros(least),
    );
}
