//! The connection of one node to a faulty server.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::sleep;

use super::FaultyServer;
use crate::log::name::{Lane, Lanes, TopicName};
use crate::log::position::EntryId;
use crate::log::shared::engine::{
    Append, Engine, EngineError, HistoryMessage, LaneRead, MemberChange, Opened, ReadFrom,
    RecordedMember,
};
use crate::log::shared::entry::{Body, Entry, Incarnation, NoticeKind, Record};

/// The connection of one node to a [`FaultyServer`]. Clones share it.
///
/// ```
/// use ws_server::cluster::Lanes;
/// use ws_server::testkit::{FaultyEngine, FaultyServer};
///
/// fn connect() -> FaultyEngine {
///     FaultyServer::new(Lanes::DEFAULT, 1).connect()
/// }
/// ```
#[derive(Clone, Debug)]
pub struct FaultyEngine {
    pub(super) server: FaultyServer,
    pub(super) link: Arc<Link>,
}

/// What separates a node from the server.
#[derive(Default, Debug)]
pub(super) struct Link {
    is_cut: AtomicBool,
    /// The next append of a message cuts it.
    is_cut_next: AtomicBool,
}

/// How a command ends.
enum Fate {
    Success,
    /// It is certain that it was not executed.
    NotSent,
    /// The connection was cut before or after the execution.
    CutBefore,
    CutAfter,
    /// The connection was cut; the command is executed later.
    Late(Duration),
    /// The server is paused.
    Stuck,
}

/// A command got no answer: whether it was executed is not known.
fn was_cut<T>() -> Result<T, EngineError> {
    Err(EngineError::Unknown("the connection was cut".into()))
}

/// Whether an entry has a message.
fn has_message(append: &Append) -> bool {
    let Ok(entry) = Entry::decode_up_to(append.entry.clone(), u8::MAX) else {
        return false;
    };
    let is_message = |record: &Record| match record {
        Record::Message(_) => true,
        Record::Notice { kind, .. } => {
            matches!(kind, NoticeKind::Post | NoticeKind::PostOutcome)
        }
        _ => false,
    };
    matches!(entry.body, Body::Records(records) if records.iter().any(is_message))
}

impl FaultyEngine {
    /// Separates the node from the server. Commands that are under way get no answer.
    pub fn cut(&self) {
        self.link.is_cut.store(true, Ordering::Relaxed);
    }

    /// Separates the node from the server as soon as its next message was appended, before it gets
    /// the answer.
    ///
    /// ```
    /// use ws_server::cluster::Lanes;
    /// use ws_server::testkit::FaultyServer;
    ///
    /// let engine = FaultyServer::new(Lanes::DEFAULT, 1).connect();
    /// engine.cut_in_next_append();
    /// ```
    pub fn cut_in_next_append(&self) {
        self.link.is_cut_next.store(true, Ordering::Relaxed);
    }

    /// Whether the node is separated from the server.
    pub(crate) fn is_cut(&self) -> bool {
        self.link.is_cut.load(Ordering::Relaxed)
    }

    /// Connects the node again.
    pub fn heal(&self) {
        self.link.is_cut.store(false, Ordering::Relaxed);
        self.link.is_cut_next.store(false, Ordering::Relaxed);
    }

    /// Delays a command, and decides its fate.
    async fn fate(&self) -> Fate {
        let delay = self.server.state().random.below(20);
        sleep(Duration::from_millis(delay)).await;
        if self.is_cut() {
            return Fate::NotSent;
        }
        let mut state = self.server.state();
        if state.is_paused {
            return Fate::Stuck;
        }
        let failing = state.failing;
        if !state.random.percent(failing) {
            return Fate::Success;
        }
        match state.random.below(4) {
            0 => Fate::NotSent,
            1 => Fate::CutBefore,
            2 => Fate::CutAfter,
            _ => Fate::Late(Duration::from_millis(state.random.below(8_000))),
        }
    }

    async fn run<T>(
        &self,
        command: impl Future<Output = Result<T, EngineError>>,
    ) -> Result<T, EngineError> {
        match self.fate().await {
            Fate::Success => {
                let answer = command.await;
                if self.is_cut() { was_cut() } else { answer }
            }
            Fate::Stuck => pending().await,
            Fate::NotSent => Err(EngineError::NotSent("no connection".into())),
            _ => was_cut(),
        }
    }
}

impl Engine for FaultyEngine {
    fn lanes(&self) -> Lanes {
        self.server.memory.lanes()
    }

    async fn open(&self, lane: Lane) -> Result<Opened, EngineError> {
        self.run(self.server.memory.open(lane)).await
    }

    async fn append(&self, append: &Append) -> Result<EntryId, EngineError> {
        let server = &self.server;
        let fate = self.fate().await;
        let key = (append.lane, append.incarnation, append.number);
        if !matches!(fate, Fate::NotSent) {
            server.state().sent.entry(key).or_default().0 += 1;
        }
        match fate {
            Fate::Success => {
                let id = server.execute(append).await?;
                if self.link.is_cut_next.load(Ordering::Relaxed) && has_message(append) {
                    self.cut();
                }
                if self.is_cut() {
                    return was_cut();
                }
                server.state().sent.entry(key).or_default().1 = true;
                Ok(id)
            }
            Fate::NotSent => Err(EngineError::NotSent("no connection".into())),
            Fate::CutBefore => was_cut(),
            Fate::CutAfter => {
                let _ = server.execute(append).await;
                was_cut()
            }
            Fate::Late(delay) => {
                let (server, append) = (server.clone(), append.clone());
                tokio::spawn(async move {
                    sleep(delay).await;
                    let _ = server.execute(&append).await;
                });
                was_cut()
            }
            Fate::Stuck => {
                server.state().stuck.push(append.clone());
                pending().await
            }
        }
    }

    async fn relay(&self, lane: Lane, entry: Bytes) -> Result<(), EngineError> {
        self.run(self.server.memory.relay(lane, entry)).await
    }

    async fn read(&self, from: &[ReadFrom], most: usize) -> Result<Vec<LaneRead>, EngineError> {
        self.run(self.server.memory.read(from, most)).await
    }

    async fn history(
        &self,
        lane: Lane,
        topic: &TopicName,
        last: usize,
    ) -> Result<Vec<HistoryMessage>, EngineError> {
        self.run(self.server.memory.history(lane, topic, last))
            .await
    }

    async fn record_members(
        &self,
        node: Incarnation,
        changes: &[MemberChange],
    ) -> Result<(), EngineError> {
        self.run(self.server.memory.record_members(node, changes))
            .await
    }

    async fn remove_members(&self, node: Incarnation) -> Result<(), EngineError> {
        self.run(self.server.memory.remove_members(node)).await
    }

    async fn all_members(&self) -> Result<Vec<RecordedMember>, EngineError> {
        self.run(self.server.memory.all_members()).await
    }
}
