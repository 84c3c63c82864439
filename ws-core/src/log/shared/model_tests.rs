//! Random runs of several nodes over a faulty server, compared with a reference.
//!
//! `LOG_SEED=…` runs one seed again, `LOG_RUNS=…` runs more of them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

use super::append::{AppendError, AppendLimits};
use super::entry::{Incarnation, LoggedMessage, VERSIONS};
use super::faults::{FaultyEngine, FaultyServer, Random, Restart};
use super::follow::Event;
use super::node::{AfterLane, Apply, Author, Incarnations, Node, NodeOptions, ReplayError};
use super::window::WindowLimits;
use crate::log::history::HistoryLimits;
use crate::log::name::{Lane, Lanes, TopicName};
use crate::log::position::Position;
use crate::message::Message;

mod reference;

use reference::{Reference, Segment};

const LANES: Lanes = Lanes::new(3).unwrap();
const TOPICS: u64 = 5;
const NODES: usize = 3;
const CLIENTS: usize = 6;
const STEPS: usize = 60;
const RUNS: u64 = 200;

fn topic(number: u64) -> TopicName {
    TopicName::new(format!("topic/{number}"))
}

fn history(of: &TopicName) -> Option<HistoryLimits> {
    (*of == topic(0)).then(|| HistoryLimits {
        messages: 3.try_into().unwrap(),
        keep: Duration::from_secs(60),
    })
}

/// A client of one topic: what it has received since it subscribed.
#[derive(Debug)]
struct Client {
    topic: TopicName,
    lane: Lane,
    /// The last is still open.
    segments: Vec<Segment>,
    /// The node that delivers to it.
    node: Option<u64>,
}

/// The clients of all nodes.
type Clients = Arc<Mutex<Vec<Client>>>;

/// Delivers what a node reads to its clients.
struct Delivery {
    node: u64,
    clients: Clients,
}

impl Apply for Delivery {
    fn apply(&self, event: &Event<'_>, _: Author) -> AfterLane {
        let at = event.at();
        for client in self.clients.lock().unwrap().iter_mut() {
            if client.node != Some(self.node) || client.lane != at.lane {
                continue;
            }
            match event {
                Event::Message { message, .. } if message.topic == client.topic => {
                    client.last().receive(at, &message.message);
                }
                Event::Reset { .. } => client.segments.push(Segment::new(at, self.node)),
                _ => client.last().end = at,
            }
        }
        None
    }
}

impl Client {
    fn last(&mut self) -> &mut Segment {
        self.segments.last_mut().unwrap()
    }
}

/// A node and its connection.
struct Running {
    id: u64,
    node: Node,
    engine: FaultyEngine,
}

/// A publish, and its outcome if it is known.
struct Published {
    pending: Option<oneshot::Receiver<Result<Position, AppendError>>>,
    outcome: Option<Result<Position, AppendError>>,
}

/// Which faults a run has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mode {
    /// Nothing that was accepted is lost, so there must be no reset.
    Lossless,
    /// The server restarts, and removes entries that a node may not have read.
    Trimming,
    /// The server restarts, and loses the last entry of a lane without a trace. Together with
    /// trimming, no census could be right.
    Losing,
}

/// Whether a client can still wait for a node that has not read up to its position.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Patience {
    Left,
    Over,
}

struct World {
    mode: Mode,
    random: Random,
    server: FaultyServer,
    nodes: Vec<Running>,
    dead: Vec<Incarnation>,
    clients: Clients,
    published: HashMap<String, Published>,
    started: u64,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random(seed);
        let mode = match random.below(3) {
            0 => Mode::Lossless,
            1 => Mode::Trimming,
            _ => Mode::Losing,
        };
        let mut world = Self {
            mode,
            server: FaultyServer::new(LANES, random.below(u64::MAX)),
            random,
            nodes: Vec::new(),
            dead: Vec::new(),
            clients: Arc::default(),
            published: HashMap::new(),
            started: 0,
        };
        for _ in 0..NODES {
            world.start_node();
        }
        world
    }

    /// In lossy runs, some 20 messages of each lane.
    const fn window(&self) -> WindowLimits {
        match self.mode {
            Mode::Lossless => WindowLimits::DEFAULT,
            Mode::Trimming | Mode::Losing => WindowLimits {
                bytes: 2_600,
                ..WindowLimits::DEFAULT
            },
        }
    }

    fn start_node(&mut self) {
        self.started += 1;
        let engine = self.server.connect();
        let options = NodeOptions {
            versions: VERSIONS,
            fail_closed_after: None,
            incarnation: Incarnation(self.started),
            incarnations: Incarnations::Random,
            lanes: LANES,
            append: AppendLimits {
                records: 50,
                ..AppendLimits::DEFAULT
            },
            window: self.window(),
            history_bytes: 1_000_000,
        };
        let delivery = Delivery {
            node: self.started,
            clients: self.clients.clone(),
        };
        let node = Node::new(engine.clone(), delivery, options);
        node.start();
        self.nodes.push(Running {
            id: self.started,
            node,
            engine,
        });
    }

    fn kill_node(&mut self) {
        let index = self.random.index(self.nodes.len());
        let killed = self.nodes.remove(index);
        for client in self.clients.lock().unwrap().iter_mut() {
            client.node = client.node.filter(|node| *node != killed.id);
        }
        let dead = Incarnation(killed.id);
        self.dead.push(dead);
        drop(killed);
        self.start_node();
    }

    fn publish(&mut self) {
        let index = self.random.index(self.nodes.len());
        for _ in 0..=self.random.below(6) {
            let number = self.random.below(TOPICS);
            let topic = topic(number);
            let id = format!("{}", self.published.len());
            let history = history(&topic);
            let message = LoggedMessage {
                topic,
                message: Message::text(id.clone()),
                history,
                except: None,
                is_volatile: false,
            };
            let (sender, pending) = oneshot::channel();
            let ticket = Box::new(|outcome| {
                let _ = sender.send(outcome);
            });
            let published = match self.nodes[index].node.publish(message, ticket) {
                Ok(()) => Published {
                    pending: Some(pending),
                    outcome: None,
                },
                Err((_, error)) => Published {
                    pending: None,
                    outcome: Some(Err(error)),
                },
            };
            self.published.insert(id, published);
        }
    }

    fn subscribe(&mut self) {
        if self.clients.lock().unwrap().len() == CLIENTS {
            return;
        }
        let topic = topic(self.random.below(TOPICS));
        let index = self.random.index(self.nodes.len());
        let Running { id, node, .. } = &self.nodes[index];
        let lane = LANES.of(&topic);
        node.with_lane(lane, |opened| {
            let Some(opened) = opened else {
                return;
            };
            let head = opened.head();
            self.clients.lock().unwrap().push(Client {
                topic,
                lane,
                segments: vec![Segment::new(head, *id)],
                node: Some(*id),
            });
        });
    }

    /// Connects a client to another node, from its last message or from its cursor.
    fn move_client(&mut self, client: usize, patience: Patience) {
        let index = self.random.index(self.nodes.len());
        let Running { id, node, .. } = &self.nodes[index];
        let (topic, from) = {
            let mut clients = self.clients.lock().unwrap();
            let Some(client) = clients.get_mut(client) else {
                return;
            };
            client.node = None;
            let last = client.last();
            let message = last.messages.last().map(|message| message.0);
            let position = message.filter(|_| self.random.percent(50));
            let from = position.unwrap_or(last.end);
            (client.topic.clone(), from)
        };
        node.with_lane(from.lane, |opened| {
            let mut clients = self.clients.lock().unwrap();
            let client = &mut clients[client];
            let Some(opened) = opened else {
                return;
            };
            let head = opened.head();
            match opened.since(&topic, from, history(&topic), Instant::now()) {
                Ok(recent) => {
                    let last = client.last();
                    last.node = *id;
                    last.attached = Instant::now();
                    for recent in recent {
                        last.receive(recent.at, &recent.message);
                    }
                    last.end = head;
                }
                // What it was ahead by is lost.
                Err(ReplayError::Ahead) if patience == Patience::Over => {
                    client.segments.push(Segment::new(head, *id));
                }
                Err(ReplayError::Ahead) => return,
                Err(ReplayError::Gap | ReplayError::NotLoaded) => {
                    client.segments.push(Segment::new(head, *id));
                }
            }
            client.node = Some(*id);
        });
    }

    fn lose_something(&mut self) {
        let lane = Lane(u16::try_from(self.random.below(3)).unwrap());
        match self.random.below(6) {
            0 => self.server.save(),
            1 => self.server.restart(Restart::Saved),
            2 => self.server.restart(Restart::Current),
            _ if self.mode == Mode::Trimming => self.server.trim(lane, self.random.index(4)),
            _ => drop(self.server.lose_last(lane)),
        }
    }

    async fn step(&mut self) {
        match self.random.below(24) {
            0..9 => self.publish(),
            9..11 => self.subscribe(),
            11..14 => {
                let client = self.random.index(CLIENTS);
                self.move_client(client, Patience::Left);
            }
            14..16 => self.server.fail(self.random.below(50)),
            16 => self.server.fail(0),
            17 => self.kill_node(),
            18 | 19 => {
                let index = self.random.index(self.nodes.len());
                let engine = &self.nodes[index].engine;
                if self.random.percent(40) {
                    engine.cut();
                } else {
                    engine.heal();
                }
            }
            20 => self.server.pause(),
            21 => self.server.resume().await,
            _ if self.mode == Mode::Lossless => {}
            _ => self.lose_something(),
        }
        let long = self.random.percent(10);
        let most = if long { 8_000 } else { 200 };
        sleep(Duration::from_millis(self.random.below(most))).await;
    }

    /// Ends all faults, and waits until everything is settled.
    async fn settle(&mut self) {
        self.server.fail(0);
        self.server.resume().await;
        for running in &self.nodes {
            running.engine.heal();
        }
        for running in &self.nodes {
            running.node.ready().await;
        }
        // Late commands arrive, nodes connect again, and every node sends heartbeats.
        sleep(Duration::from_secs(20)).await;
        let clients: Vec<_> = {
            let clients = self.clients.lock().unwrap();
            clients.iter().map(|client| client.node).collect()
        };
        for (client, node) in clients.into_iter().enumerate() {
            if node.is_none() {
                self.move_client(client, Patience::Over);
            }
        }
        for published in self.published.values_mut() {
            if let Some(pending) = published.pending.take() {
                published.outcome = Some(pending.await.unwrap_or(Err(AppendError::Unconfirmed)));
            }
        }
    }

    fn check(&self) -> Result<(), String> {
        let reference =
            Reference::new(self.server.executed(), &self.dead, self.server.generation());
        let strict = self.mode == Mode::Lossless;
        for (id, published) in &self.published {
            reference.check_outcome(id, published.outcome.unwrap(), strict)?;
        }
        for client in self.clients.lock().unwrap().iter() {
            reference.check_client(&client.topic, &client.segments, strict)?;
        }
        Ok(())
    }
}

fn run(seed: u64) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut world = World::new(seed);
        for _ in 0..STEPS {
            world.step().await;
        }
        world.settle().await;
        world.check()
    })
}

fn from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn nodes_agree_and_lose_nothing_without_a_reset() {
    let seeds = match from_environment("LOG_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..from_environment("LOG_RUNS").unwrap_or(RUNS),
    };
    for seed in seeds {
        if let Err(error) = run(seed) {
            panic!("{error}; repeat with LOG_SEED={seed}");
        }
    }
}
