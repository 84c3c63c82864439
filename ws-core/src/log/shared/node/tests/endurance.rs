//! Nodes whose engine panics, whose process is paused, or that leave.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use bytes::Bytes;
use tokio::time::{advance, sleep, timeout};

use super::*;
use crate::log::position::Generation;
use crate::log::shared::HEARTBEAT;
use crate::log::shared::engine::{
    Append, HistoryMessage, LaneRead, MemberChange, Opened, ReadFrom,
};
use crate::log::shared::memory::MemoryEngine;

/// Longer than anything here takes.
const LIMIT: Duration = Duration::from_secs(60);

/// Each command panics the first time.
struct Panicking {
    memory: MemoryEngine,
    panicked: [AtomicBool; 6],
}

impl Panicking {
    fn panic_once(&self, command: usize) {
        let has_panicked = self.panicked[command].swap(true, Ordering::Relaxed);
        assert!(has_panicked, "the engine of a test panics");
    }
}

impl Engine for Panicking {
    fn lanes(&self) -> Lanes {
        Engine::lanes(&self.memory)
    }

    fn open(&self, lane: Lane) -> impl Future<Output = Result<Opened, EngineError>> + Send {
        // Outside of the future.
        self.panic_once(0);
        Engine::open(&self.memory, lane)
    }

    async fn append(&self, append: &Append) -> Result<EntryId, EngineError> {
        self.panic_once(1);
        Engine::append(&self.memory, append).await
    }

    async fn relay(&self, lane: Lane, entry: Bytes) -> Result<(), EngineError> {
        self.panic_once(2);
        Engine::relay(&self.memory, lane, entry).await
    }

    async fn read(&self, from: &[ReadFrom], most: usize) -> Result<Vec<LaneRead>, EngineError> {
        self.panic_once(3);
        Engine::read(&self.memory, from, most).await
    }

    async fn history(
        &self,
        lane: Lane,
        topic: &TopicName,
        last: usize,
    ) -> Result<Vec<HistoryMessage>, EngineError> {
        self.panic_once(4);
        Engine::history(&self.memory, lane, topic, last).await
    }

    async fn record_members(
        &self,
        node: Incarnation,
        changes: &[MemberChange],
    ) -> Result<(), EngineError> {
        Engine::record_members(&self.memory, node, changes).await
    }

    async fn remove_members(&self, node: Incarnation) -> Result<(), EngineError> {
        Engine::remove_members(&self.memory, node).await
    }

    async fn all_members(&self) -> Result<Vec<RecordedMember>, EngineError> {
        self.panic_once(5);
        Engine::all_members(&self.memory).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_continues_after_its_engine_has_panicked() {
    let memory = MemoryEngine::new(Lanes::new(1).unwrap(), Generation(1));
    let engine = Panicking {
        memory: memory.clone(),
        panicked: Default::default(),
    };
    let node = start_with(engine, options(1));
    let other = start_with(memory, options(2));
    timeout(LIMIT, node.ready()).await.unwrap();
    other.ready().await;
    for text in ["x", "y"] {
        let published = publish_to(&node, text, Some(HISTORY));
        let at = timeout(LIMIT, published).await.unwrap().unwrap();
        node.reached(at).await;
        other.reached(at).await;
    }
    for text in ["lost", "not lost"] {
        node.relay(message(text, None));
        sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(node.relay_losses(), 1);
    assert_eq!(received(&other), ["x", "y", "relayed: not lost"]);
    node.load_history(&topic(), HISTORY).await.unwrap_err();
    assert_eq!(replayed(&node).await, ["x", "y"]);
}

/// Counts the heartbeats that are queued.
#[derive(Default)]
struct Beats(AtomicU32);

impl Beats {
    fn count(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Apply for Arc<Beats> {
    fn apply(&self, _: &Event<'_>, _: Author) -> AfterLane {
        None
    }

    fn connections(&self) -> u64 {
        u64::from(self.0.fetch_add(1, Ordering::Relaxed))
    }
}

/// Several at once would make nodes look dead whose heartbeats come at the usual times.
#[tokio::test(start_paused = true)]
async fn after_a_pause_of_the_process_a_node_queues_one_heartbeat() {
    let beats = Arc::<Beats>::default();
    let node = Node::new(server().connect(), beats.clone(), options(1));
    node.start();
    node.ready().await;
    let before = beats.count();
    advance(10 * HEARTBEAT).await;
    sleep(HEARTBEAT / 2).await;
    assert_eq!(beats.count() - before, 1);
    sleep(HEARTBEAT).await;
    assert_eq!(beats.count() - before, 2);
}

#[tokio::test(start_paused = true)]
async fn a_second_call_to_leave_waits_until_the_first_has_left() {
    let server = server();
    let (node, other) = (start(&server, 1), start(&server, 2));
    node.ready().await;
    other.ready().await;
    server.pause();
    let deadline = Instant::now() + LIMIT;
    let (mut first, mut second) = (pin!(node.leave(deadline)), pin!(node.leave(deadline)));
    let a_second = Duration::from_secs(1);
    assert!(timeout(a_second, first.as_mut()).await.is_err());
    assert!(timeout(a_second, second.as_mut()).await.is_err());
    server.resume().await;
    let both = async { tokio::join!(first, second) };
    timeout(LIMIT / 2, both).await.unwrap();
    sleep(a_second).await;
    assert!(received(&other).contains(&"a node died".to_owned()));
}
