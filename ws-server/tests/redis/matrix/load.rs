//! The publishers and the clients of a run, which record what happens.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep, timeout};
use ws_server::prelude::*;
use ws_server::testkit::{Received, TestClient, TestKit};
use ws_server::topic::{Position, PublishError};

use super::judge::{Connection, End, Line, Outcome, Record, Source};
use crate::nodes::Room;

/// The topics, which are in different lanes.
pub(crate) const TOPICS: u64 = 4;

/// The time between two messages of a source.
const PACE: Duration = Duration::from_millis(8);

/// The messages that a returning client reads.
const RETURNED: usize = 20;

/// A returning client that receives nothing for this time leaves.
const SILENCE: Duration = Duration::from_secs(2);

/// How long the last messages may take.
const FINISH: Duration = Duration::from_secs(90);

/// Subscribes to all topics.
struct Reader;

#[ws_handler]
impl Reader {
    fn init(socket: &Socket<Self>) -> Self {
        for topic in 0..TOPICS {
            socket.subscribe(Room(topic));
        }
        Reader
    }
}

/// Continues from the position that its client sends.
struct Returning;

#[ws_handler]
impl Returning {
    fn init() -> Self {
        Returning
    }

    fn message(
        &mut self,
        Json((topic, position)): Json<(u64, Position)>,
        socket: &Socket<Self>,
    ) -> Result<(), Close> {
        socket.subscribe(Room(topic).since(position))?;
        Ok(())
    }
}

/// The last accepted message of each source, and its position.
pub(super) type Positions = BTreeMap<Source, (usize, Position)>;

/// The nodes of a run, with one client and some publishers each.
#[derive(Clone)]
pub(crate) struct Load(Arc<Shared>);

struct Shared {
    nodes: Vec<TestKit>,
    record: Mutex<Record>,
    /// The number of the next message of each source.
    next: BTreeMap<Source, AtomicUsize>,
    positions: Mutex<Positions>,
    is_over: AtomicBool,
}

impl Load {
    pub(crate) fn new(nodes: Vec<TestKit>) -> Self {
        let topics = |node| (0..TOPICS).map(move |topic| Source { node, topic });
        let sources: Vec<Source> = (0..nodes.len()).flat_map(topics).collect();
        let record = Record {
            outcomes: sources.iter().map(|it| (*it, Vec::new())).collect(),
            clients: nodes.iter().map(|_| Vec::new()).collect(),
        };
        Self(Arc::new(Shared {
            nodes,
            record: Mutex::new(record),
            next: sources
                .into_iter()
                .map(|it| (it, AtomicUsize::new(0)))
                .collect(),
            positions: Mutex::default(),
            is_over: AtomicBool::new(false),
        }))
    }

    pub(crate) fn record(&self) -> MutexGuard<'_, Record> {
        self.0.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the clients. They run until the tasks are dropped.
    pub(crate) async fn connect(&self) -> JoinSet<()> {
        let mut clients = JoinSet::new();
        for node in 0..self.0.nodes.len() {
            let client = self.join(node).await;
            clients.spawn(self.clone().read(node, client));
        }
        clients
    }

    /// Starts the publishers. They end after [`finish`](Self::finish) was called.
    pub(crate) fn publish(&self) -> JoinSet<()> {
        let mut publishers = JoinSet::new();
        for source in self.0.next.keys() {
            publishers.spawn(self.clone().publish_all(*source));
        }
        publishers
    }

    async fn publish_all(self, source: Source) {
        let mut ticks = interval(PACE);
        while !self.0.is_over.load(Ordering::Relaxed) {
            ticks.tick().await;
            self.publish_one(source).await;
        }
    }

    async fn publish_one(&self, source: Source) -> (usize, Outcome) {
        let number = self.0.next[&source].fetch_add(1, Ordering::SeqCst);
        let node = &self.0.nodes[source.node];
        let (outcome, position) = self.publish_line(node, Line { source, number }).await;
        if let Some(position) = position {
            self.lock_positions().insert(source, (number, position));
        }
        (number, outcome)
    }

    /// Publishes the next line of a source, and records what comes of it.
    pub(super) async fn publish_line(
        &self,
        node: &TestKit,
        line: Line,
    ) -> (Outcome, Option<Position>) {
        let Line { source, number } = line;
        let receipt = node.hub().publish(&Room(source.topic), &line.text());
        let (outcome, position) = match receipt.await {
            Ok(position) => (Outcome::Accepted, Some(position)),
            Err(PublishError::Unconfirmed) => (Outcome::Unconfirmed, None),
            Err(_) => (Outcome::Refused, None),
        };
        let mut record = self.record();
        let outcomes = record.outcomes.entry(source).or_default();
        assert_eq!(outcomes.len(), number);
        outcomes.push(outcome);
        (outcome, position)
    }

    fn lock_positions(&self) -> MutexGuard<'_, Positions> {
        let positions = self.0.positions.lock();
        positions.unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn positions(&self) -> Positions {
        self.lock_positions().clone()
    }

    /// For each position, a client continues from there on a node that has seen nothing before: it
    /// must get everything behind it, or be refused.
    pub(super) async fn come_back(&self, node: &TestKit, positions: Positions) {
        for (source, (number, position)) in positions {
            let is_enough = |received: &[Line]| received.len() == RETURNED;
            let topic = source.topic;
            let (received, end) = continue_from(node, topic, position, is_enough).await;
            let next = self.0.next.keys().map(|source| (*source, usize::MAX));
            let mut due: BTreeMap<_, _> = next.collect();
            due.insert(source, number + 1);
            self.record()
                .clients
                .push(vec![Connection { due, received, end }]);
        }
    }

    /// Connects a client, and records what is due for it.
    async fn join(&self, node: usize) -> TestClient {
        let client = self.0.nodes[node].handler::<Reader>().connect();
        let client = client.await.unwrap();
        let next = self.0.next.iter();
        let due = next.map(|(source, next)| (*source, next.load(Ordering::SeqCst)));
        self.record().clients[node].push(Connection {
            due: due.collect(),
            received: Vec::new(),
            end: End::Open,
        });
        client
    }

    async fn read(self, node: usize, mut client: TestClient) {
        loop {
            let received = client.receive().await;
            let end = {
                let mut record = self.record();
                let connection = record.clients[node].last_mut().unwrap();
                match received {
                    Received::Message(text) => {
                        let line = Line::parse(text.as_text().unwrap());
                        connection.received.push(line);
                        continue;
                    }
                    Received::Ping(_) | Received::Pong(_) => continue,
                    Received::Close(CloseCode::SERVICE_RESTART, _) => End::Reset,
                    Received::Close(..) | Received::End => End::Other,
                }
            };
            self.record().clients[node].last_mut().unwrap().end = end;
            client = self.join(node).await;
        }
    }

    /// Publishes last messages until every client has those of all sources: then it has received
    /// all that it will receive.
    pub(crate) async fn finish(&self, mut publishers: JoinSet<()>) {
        self.0.is_over.store(true, Ordering::Relaxed);
        while let Some(ended) = publishers.join_next().await {
            ended.unwrap();
        }
        let deadline = Instant::now() + FINISH;
        while Instant::now() < deadline {
            let mut last = Vec::new();
            for source in self.0.next.keys() {
                let (number, outcome) = self.publish_one(*source).await;
                let source = *source;
                last.push((Line { source, number }, outcome));
            }
            if last
                .iter()
                .all(|(_, outcome)| *outcome == Outcome::Accepted)
                && self
                    .arrive(last.iter().map(|(line, _)| *line).collect())
                    .await
            {
                return;
            }
        }
    }

    /// Waits until all clients have these messages; `false` if one is not to get all of them,
    /// because it has connected since, or if that takes long.
    async fn arrive(&self, last: Vec<Line>) -> bool {
        for _ in 0..500 {
            let missing = {
                let record = self.record();
                // Behind them, those that have come back for a while.
                let current = record.clients.iter().take(self.0.nodes.len());
                let current = current.filter_map(|client| client.last());
                let mut missing = 0;
                for connection in current {
                    if last
                        .iter()
                        .any(|line| connection.due[&line.source] > line.number)
                    {
                        return false;
                    }
                    let is_there = |line: &&Line| connection.received.contains(line);
                    missing += last.iter().filter(|line| !is_there(line)).count();
                }
                missing
            };
            if missing == 0 {
                return true;
            }
            sleep(Duration::from_millis(20)).await;
        }
        false
    }
}

/// A client subscribes to a topic from a position on, and reads until it has received enough. It is
/// [`End::Left`] then, and if nothing comes any more.
pub(super) async fn continue_from(
    node: &TestKit,
    topic: u64,
    position: Position,
    is_enough: impl Fn(&[Line]) -> bool,
) -> (Vec<Line>, End) {
    let mut client = node.handler::<Returning>().connect().await.unwrap();
    client.send_json(&(topic, position)).await;
    let mut received = Vec::new();
    let end = loop {
        match timeout(SILENCE, client.receive()).await {
            Ok(Received::Message(text)) => {
                received.push(Line::parse(text.as_text().unwrap()));
            }
            Ok(Received::Ping(_) | Received::Pong(_)) => {}
            Ok(Received::Close(..) | Received::End) => break End::Reset,
            Err(_) => break End::Left,
        }
        if is_enough(&received) {
            break End::Left;
        }
    };
    (received, end)
}
