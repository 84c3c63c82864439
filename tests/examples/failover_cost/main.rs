//! Measures the end of a server with 10,000 pages:
//!
//! ```sh
//! cargo run --release -p ws-tests --example failover_cost              # 10,000 pages
//! cargo run --release -p ws-tests --example failover_cost -- 1000
//! ```
//!
//! Two servers are processes of their own and share a `redis-server` that the program starts. All
//! pages are connected to the first one, and subscribed to a topic that a client of the second one
//! publishes to all the time. Then the first server is killed with SIGKILL, and every page connects
//! to the second one by the rules of the browser client: at a random moment within the `spread` that
//! its server has announced, and after a refusal (503) not before its `Retry-After`.
//!
//! The program prints the time until all pages are back, the time from the handshake of a page to
//! its `welcome`, the handshakes in the busiest 100 ms, and what must be zero: resets, messages that
//! are missing or doubled, and reads of Redis, counted until the second server knows that the first
//! one is dead. Needs Debian's `redis-server`. The pages share the processors with the servers, so
//! their time is part of all times.

use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{interval, sleep, timeout};
use ws_tests::{Part, RedisServer};

mod client;
mod page;
mod server;

use client::Connection;
use page::{LAST, Page, Ports, Tally};

/// Pages, if the command line has no other number.
const PAGES: usize = 10_000;

/// The time between two messages.
const PERIOD: Duration = Duration::from_millis(500);

/// The time between two pages that connect at the start: less than a server admits.
const ARRIVAL: Duration = Duration::from_millis(1);

/// Messages before the first server is killed.
const BEFORE: u32 = 10;

/// File descriptors of each process besides its connections.
const OTHER_FILES: u64 = 1_000;

/// How much later than `spread` the last page may be back.
const TARGET: Duration = Duration::from_secs(2);

/// How long the last message may take to the last page. The program fails if it does not arrive.
const COMPLETE: Duration = Duration::from_secs(60);

/// The span of the busiest handshakes.
const SPAN: Duration = Duration::from_millis(100);

/// The commands that read histories, members or old entries of the log.
const READS: [&str; 5] = ["xrange", "xrevrange", "lrange", "hgetall", "smembers"];

/// How often Redis has executed each of [`READS`].
async fn reads_of(redis: &RedisServer) -> [u64; READS.len()] {
    let mut reads = [0; READS.len()];
    for (count, command) in reads.iter_mut().zip(READS) {
        *count = redis.calls(command).await;
    }
    reads
}

/// Every page is a file descriptor here, and one of a server, which inherits the limit.
fn raise_file_limit(pages: usize) {
    let needed = pages as u64 + OTHER_FILES;
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE).expect("the limit is known");
    if soft < needed {
        let raised = setrlimit(Resource::RLIMIT_NOFILE, needed, hard.max(needed));
        raised.expect("as many file descriptors as pages: see `ulimit -Hn`");
    }
}

/// Starts a server. Returns it and its port.
async fn start_server(redis: &RedisServer) -> (Part, u16) {
    let mut server = Part::start(&["server", &redis.url()]);
    let port = server.line().await.parse();
    (server, port.expect("the port of the server"))
}

async fn connect(port: u16) -> Connection {
    let opened = Connection::open(port, "/publish", "").await;
    opened.expect("the server admits it")
}

/// Publishes a number every [`PERIOD`], until the last one is due.
async fn publish(mut publisher: Connection, is_last: watch::Receiver<bool>) {
    let mut ticks = interval(PERIOD);
    for number in 1_u64.. {
        ticks.tick().await;
        let is_last = *is_last.borrow();
        let text = format!("{number}{}", if is_last { LAST } else { "" });
        publisher.send(&text).await.expect("the server runs");
        // An answer means that it is in the log.
        assert_eq!(publisher.text().await, Some(text));
        if is_last {
            return;
        }
    }
}

/// Waits until the client's server knows no other one.
async fn wait_for_death(mut client: Connection) {
    let mut ticks = interval(PERIOD);
    loop {
        ticks.tick().await;
        client.send("nodes").await.expect("the server runs");
        if client.text().await.as_deref() == Some("1") {
            return;
        }
    }
}

/// What a run has shown.
struct Run {
    killed: Instant,
    tallies: Vec<Tally>,
    reads: [u64; READS.len()],
}

async fn run(pages: usize) -> Run {
    let redis = RedisServer::start().await;
    let (mut first, first_port) = start_server(&redis).await;
    let (_second, second_port) = start_server(&redis).await;
    let ports = Ports {
        first: first_port,
        second: second_port,
    };
    let publisher = connect(ports.second).await;
    let observer = connect(ports.second).await;
    let (connected, _) = watch::channel(false);
    let (progress, mut progressed) = mpsc::unbounded_channel();
    let mut running = JoinSet::new();
    let mut arrivals = interval(ARRIVAL);
    for number in 0..pages {
        arrivals.tick().await;
        let page = Page::new(number, ports, connected.subscribe(), progress.clone());
        running.spawn(page.run());
    }
    let mut all = async || {
        for _ in 0..pages {
            progressed.recv().await.expect("a page has ended early");
        }
    };
    all().await;
    // The server announces the time for all of them only now.
    connected.send_replace(true);
    all().await;
    let (last, is_last) = watch::channel(false);
    let publishing = tokio::spawn(publish(publisher, is_last));
    sleep(PERIOD * BEFORE).await;
    let reads = reads_of(&redis).await;
    let killed = Instant::now();
    first.kill().await;
    all().await;
    wait_for_death(observer).await;
    last.send_replace(true);
    let complete = timeout(COMPLETE, running.join_all()).await;
    let tallies = complete.expect("every page gets the last message");
    publishing.await.expect("the publisher has ended");
    let later = reads_of(&redis).await;
    Run {
        killed,
        tallies,
        reads: std::array::from_fn(|place| later[place] - reads[place]),
    }
}

/// The largest number of handshakes within [`SPAN`].
fn busiest(mut times: Vec<Instant>) -> usize {
    times.sort_unstable();
    let within = |(place, time): (usize, &Instant)| {
        let rest = times[place..].iter();
        rest.take_while(|later| **later < *time + SPAN).count()
    };
    times.iter().enumerate().map(within).max().unwrap_or(0)
}

fn float(count: usize) -> f64 {
    f64::from(u32::try_from(count).expect("a small number"))
}

fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let place = (sorted.len() * percent / 100).min(sorted.len() - 1);
    sorted[place]
}

fn show(run: &Run) {
    let tallies = &run.tallies;
    let sum = |of: fn(&Tally) -> u64| tallies.iter().map(of).sum::<u64>();
    let spread = tallies.iter().map(|it| it.spread).max().expect("pages");
    let welcomes = tallies.iter().map(|it| it.welcome);
    let back = welcomes.max().expect("pages") - run.killed;
    let attempts = tallies.iter().flat_map(|it| &it.attempts);
    let attempts: Vec<Instant> = attempts.copied().collect();
    let last = tallies.iter().map(|it| it.attempts[0]).max();
    let last = last.expect("pages") - run.killed;
    let mut latencies: Vec<Duration> = tallies.iter().map(Tally::latency).collect();
    latencies.sort_unstable();
    let even = float(attempts.len()) * SPAN.div_duration_f64(spread);
    let seconds = |time: Duration| format!("{:.2} s", time.as_secs_f64());
    let millis = |time: Duration| format!("{:.1}", time.as_secs_f64() * 1e3);
    let line = |name: &str, value: &str| println!("{name:<44}{value}");
    println!("{} pages, a message every {PERIOD:?}", tallies.len());
    line("spread", &seconds(spread));
    line("first attempt of the last page after", &seconds(last));
    let ratio = back.div_duration_f64(spread + TARGET);
    let text = format!("{}: {ratio:.2} of spread + 2 s", seconds(back));
    line("all back after", &text);
    let quantiles = [50, 99, 100].map(|percent| millis(percentile(&latencies, percent)));
    let text = format!("{} ms", quantiles.join(" / "));
    line("handshake to welcome, p50 / p99 / max", &text);
    let busiest = busiest(attempts);
    let ratio = float(busiest) / even;
    let text = format!("{busiest}: {ratio:.2} of an even {even:.0}");
    line("handshakes in the busiest 100 ms", &text);
    line("handshakes refused", &sum(|it| it.refused).to_string());
    line("resets", &sum(|it| it.resets).to_string());
    line("events received", &sum(|it| it.events).to_string());
    line("events missing", &sum(|it| it.missing).to_string());
    line("events doubled", &sum(|it| it.doubled).to_string());
    let reads = READS.iter().zip(run.reads);
    let reads: Vec<String> = reads
        .map(|(name, count)| format!("{name} {count}"))
        .collect();
    line("reads of Redis", &reads.join(", "));
}

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let first = arguments.next();
    if first.as_deref() == Some("server") {
        let redis = arguments.next().expect("the URL of Redis");
        return server::run(&redis).await;
    }
    let pages = first.map_or(PAGES, |pages| pages.parse().expect("a number of pages"));
    raise_file_limit(pages);
    show(&run(pages).await);
}
