//! Both servers of a cluster are restarted in turn under load: no client misses a message, gets one
//! twice, or is reset.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use futures::future::join_all;
use serde::Deserialize;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, interval, sleep, timeout};
use ws_server::extract::NoState;
use ws_server::limits::{PageLimits, ServerLimits};
use ws_server::prelude::*;
use ws_server::redis::RedisEngine;
use ws_server::session::{Secrets, Sessions};
use ws_server::testkit::{Received as Frame, TestClient, TestKit};
use ws_server::topic::{Position, PublishError, Received};

use crate::nodes::options;
use crate::server::RedisServer;

mod pages;

use pages::{Kind, PageRead, Show};

/// The publishers, each on a server of its own while that runs.
const PUBLISHERS: usize = 2;

/// Messages that a publisher publishes in each tick: 2,000 per second by both.
const PER_TICK: u32 = 10;

const TICK: Duration = Duration::from_millis(10);

/// Clients of each server at the beginning.
const READERS: usize = 4;

/// Pages of each server at the beginning, of either kind.
const PAGES: usize = 2;

/// What may wait for a page: more than is published while a slow machine reconnects it.
const WAITING: PageLimits = PageLimits::DEFAULT
    .messages(16 * 1024)
    .bytes(16 * 1024 * 1024);

/// How long each phase between two restarts lasts.
const PHASE: Duration = Duration::from_secs(2);

/// The time over which a server closes its connections.
const DRAIN: Duration = Duration::from_secs(1);

/// The last message.
const LAST: &str = "last";

topics! {
    Wire: "wire" => String { history: 100, keep: 10m };
}

#[derive(Deserialize)]
struct From {
    since: Option<Position>,
}

/// Sends each message with its position, so that its client can continue on another server.
struct Reader;

#[ws_handler]
impl Reader {
    fn init(Query(from): Query<From>, socket: &Socket<Self>) -> Result<Self, Refusal> {
        match from.since {
            Some(position) => socket.listen(Wire.since(position).with_position())?,
            None => socket.listen(Wire.with_position()),
        }
        Ok(Reader)
    }

    fn info(&mut self, received: Received<String>) -> Json<Received<String>> {
        Json(received)
    }
}

dispatch! {
    struct Routes;

    reader: "/reader" => Reader { require_session: false };
    stream: "/stream" => PageStream { attach: page, require_session: false };
    handled: "/handled" => Show { attach: page, require_session: false };
}

/// The servers, as a load balancer knows them: one that drains is missing.
struct Servers([watch::Sender<Option<TestKit>>; 2]);

impl Servers {
    async fn start(redis: &RedisServer) -> Arc<Self> {
        let started = [serve(redis).await, serve(redis).await];
        Arc::new(Self(started.map(|kit| watch::Sender::new(Some(kit)))))
    }

    /// The preferred server, or the other one.
    fn get(&self, preferred: usize) -> TestKit {
        let one = self.0[preferred % 2].borrow().clone();
        let kit = one.or_else(|| self.0[(preferred + 1) % 2].borrow().clone());
        kit.expect("at most one server drains")
    }

    /// Replaces a server as a deployment does.
    async fn restart(&self, index: usize, redis: &RedisServer) {
        let ended = self.0[index].send_replace(None).expect("the server runs");
        ended.hub().drain(DRAIN, Duration::from_secs(10)).await;
        drop(ended);
        self.0[index].send_replace(Some(serve(redis).await));
    }
}

async fn serve(redis: &RedisServer) -> TestKit {
    let (options, limits) = (options(), ServerLimits::DEFAULT.pages(WAITING));
    let engine = RedisEngine::new(redis.redis(), options.lanes);
    let secrets = Secrets::new([[7; 32]]).unwrap();
    let hub = Hub::with_engine(limits, Sessions::default(), secrets, engine, &options);
    hub.ready().await;
    let kit = TestKit::with_hub(hub).with_table(Routes::table(), NoState);
    kit.unwrap()
}

/// Publishes until it is stopped. Returns what the log has accepted.
async fn publish(servers: Arc<Servers>, publisher: usize, stop: Arc<AtomicBool>) -> Vec<String> {
    let mut accepted = Vec::new();
    let mut ticks = interval(TICK);
    let mut number = 0;
    while !stop.load(Ordering::Relaxed) {
        ticks.tick().await;
        let kit = servers.get(publisher);
        let texts: Vec<_> = (0..PER_TICK)
            .map(|offset| format!("{publisher} {}", number + offset))
            .collect();
        let receipts = texts
            .iter()
            .map(|text| kit.hub().publish(Wire, text).into_future());
        for (outcome, text) in join_all(receipts).await.into_iter().zip(texts) {
            outcome.unwrap_or_else(|error: PublishError| panic!("{text}: {error}"));
            accepted.push(text);
        }
        number += PER_TICK;
    }
    accepted
}

/// What a client has received, and how often its connection was closed.
#[derive(Default)]
struct Read {
    texts: Vec<String>,
    position: Option<Position>,
    closed: u64,
}

impl Read {
    async fn connect(&self, servers: &Servers, preferred: usize) -> TestClient {
        let from = self.position.as_ref().map(|position| {
            let position = serde_json::to_value(position).unwrap();
            format!("?since={}", position.as_str().unwrap())
        });
        let path = format!("/reader{}", from.unwrap_or_default());
        // It may begin to drain meanwhile.
        loop {
            match servers.get(preferred).open(&path).connect().await {
                Ok(client) => return client,
                Err(refusal) => assert_eq!(refusal.status(), 503, "{refusal:?}"),
            }
            sleep(TICK).await;
        }
    }

    /// Reads up to the last message, over any number of connections.
    async fn run(mut self, servers: Arc<Servers>, preferred: usize, ready: Arc<AtomicU64>) -> Self {
        let mut client = self.connect(&servers, preferred).await;
        ready.fetch_add(1, Ordering::Relaxed);
        loop {
            match client.receive().await {
                Frame::Message(message) => {
                    let received: Received<String> =
                        serde_json::from_str(message.as_text().unwrap()).unwrap();
                    self.position = Some(received.position);
                    if received.value == LAST {
                        return self;
                    }
                    self.texts.push(received.value);
                }
                Frame::Close(code, reason) => {
                    // Any other reason would be a reset.
                    assert_eq!(code, CloseCode::SERVICE_RESTART, "{reason}");
                    assert!(reason.starts_with("retry="), "{reason}");
                    self.closed += 1;
                    client = self.connect(&servers, preferred).await;
                }
                Frame::Ping(_) | Frame::Pong(_) => {}
                Frame::End => panic!("the connection was lost"),
            }
        }
    }
}

/// Connects the pages, and lets them read.
async fn start_pages(servers: &Arc<Servers>) -> Vec<JoinHandle<PageRead>> {
    let mut reading = Vec::new();
    for kind in [Kind::Stream, Kind::Handled] {
        for preferred in 0..2 * PAGES {
            let page = pages::connect(servers, preferred, kind).await;
            let read = pages::run(page, servers.clone(), (preferred, kind));
            reading.push(tokio::spawn(read));
        }
    }
    for server in 0..2 {
        let hub = servers.get(server).hub().clone();
        while hub.cluster().unwrap().subscriptions < 2 * PAGES {
            sleep(TICK).await;
        }
    }
    reading
}

/// Publishes 2,000 messages per second while both servers are restarted in turn. Returns what the
/// log has accepted of each publisher.
async fn restart_under_load(servers: &Arc<Servers>, redis: &RedisServer) -> Vec<Vec<String>> {
    let stop = Arc::new(AtomicBool::new(false));
    let publishers = (0..PUBLISHERS)
        .map(|publisher| tokio::spawn(publish(servers.clone(), publisher, stop.clone())));
    let publishers: Vec<_> = publishers.collect();
    for index in [0, 1] {
        sleep(PHASE).await;
        servers.restart(index, redis).await;
    }
    sleep(PHASE).await;
    stop.store(true, Ordering::Relaxed);
    let accepted = join_all(publishers).await.into_iter().map(Result::unwrap);
    let accepted = accepted.collect();
    let last = servers.get(0).hub().publish(Wire, &LAST.to_owned()).await;
    last.unwrap();
    accepted
}

/// The results of tasks that end with the last message.
async fn ended<T>(tasks: Vec<JoinHandle<T>>) -> Vec<T> {
    let ended = timeout(Duration::from_secs(60), join_all(tasks)).await;
    let ended = ended.expect("every client gets the last message");
    ended.into_iter().map(Result::unwrap).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_servers_are_restarted_under_load_and_no_client_notices() {
    let redis = RedisServer::start();
    let servers = Servers::start(&redis).await;
    let ready = Arc::new(AtomicU64::new(0));
    let readers = (0..2 * READERS).map(|number| {
        let read = Read::default().run(servers.clone(), number, ready.clone());
        tokio::spawn(read)
    });
    let readers: Vec<_> = readers.collect();
    while ready.load(Ordering::Relaxed) < 2 * READERS as u64 {
        sleep(TICK).await;
    }
    let pages = start_pages(&servers).await;
    let begin = Instant::now();
    let accepted = restart_under_load(&servers, &redis).await;
    let took = begin.elapsed();

    let read: Vec<Read> = ended(readers).await;
    let order = &read[0].texts;
    let count: usize = accepted.iter().map(Vec::len).sum();
    assert_eq!(order.len(), count, "what was accepted, once");
    assert_eq!(order.iter().collect::<HashSet<_>>().len(), count, "once");
    for (publisher, accepted) in accepted.iter().enumerate() {
        let begin = format!("{publisher} ");
        let own = order.iter().filter(|text| text.starts_with(&begin));
        assert!(own.eq(accepted), "publisher {publisher}");
    }
    for read in &read {
        assert!(read.texts == *order, "a client has received another order");
        assert!(read.closed >= 1, "its server was restarted");
    }
    let closed: u64 = read.iter().map(|read| read.closed).sum();
    let mut moved = 0;
    for page in ended(pages).await {
        assert!(
            page.texts == *order,
            "a page has not received each message once and in order"
        );
        assert!(page.closed >= 1, "its server was restarted");
        moved += page.closed;
        match page.kind {
            Kind::Stream => assert_eq!(page.began, [] as [String; 0]),
            Kind::Handled => assert_eq!(page.began, vec!["Moved"; page.closed]),
        }
    }
    println!(
        "{count} messages in {took:.1?}; {closed} connections and {moved} pages moved; 0 lost, \
         doubled, reset"
    );
}
