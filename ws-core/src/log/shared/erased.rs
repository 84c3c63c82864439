//! An [`Engine`] behind a pointer, so that a node is compiled once.

use bytes::Bytes;
use futures::future::BoxFuture;
use tokio::time::timeout;

use super::DEAD_CONNECTION;
use super::engine::{
    Append, Engine, EngineError, HistoryMessage, LaneRead, MemberChange, Opened, ReadFrom,
    RecordedMember,
};
use super::entry::Incarnation;
use super::health::EngineHealth;
use crate::log::name::{Lane, TopicName};
use crate::log::position::EntryId;

/// The answer of an engine.
pub(super) type Answer<'e, T> = BoxFuture<'e, Result<T, EngineError>>;

/// The commands of an engine. One that is not answered in time is [`EngineError::Unknown`].
pub(super) trait Commands: Send + Sync {
    fn open(&self, lane: Lane) -> Answer<'_, Opened>;
    fn append<'e>(&'e self, append: &'e Append) -> Answer<'e, EntryId>;
    fn relay(&self, lane: Lane, entry: Bytes) -> Answer<'_, ()>;
    fn read<'e>(&'e self, from: &'e [ReadFrom], most: usize) -> Answer<'e, Vec<LaneRead>>;
    fn history<'e>(
        &'e self,
        lane: Lane,
        topic: &'e TopicName,
        last: usize,
    ) -> Answer<'e, Vec<HistoryMessage>>;
    fn record_members<'e>(
        &'e self,
        node: Incarnation,
        changes: &'e [MemberChange],
    ) -> Answer<'e, ()>;
    fn remove_members(&self, node: Incarnation) -> Answer<'_, ()>;
    fn all_members(&self) -> Answer<'_, Vec<RecordedMember>>;
    fn health(&self) -> Vec<EngineHealth>;
}

async fn in_time<T>(
    command: impl Future<Output = Result<T, EngineError>>,
) -> Result<T, EngineError> {
    let late = |_| Err(EngineError::Unknown("no answer in time".into()));
    timeout(DEAD_CONNECTION, command).await.unwrap_or_else(late)
}

impl<E: Engine> Commands for E {
    fn open(&self, lane: Lane) -> Answer<'_, Opened> {
        Box::pin(in_time(Engine::open(self, lane)))
    }

    fn append<'e>(&'e self, append: &'e Append) -> Answer<'e, EntryId> {
        Box::pin(in_time(Engine::append(self, append)))
    }

    fn relay(&self, lane: Lane, entry: Bytes) -> Answer<'_, ()> {
        Box::pin(in_time(Engine::relay(self, lane, entry)))
    }

    fn read<'e>(&'e self, from: &'e [ReadFrom], most: usize) -> Answer<'e, Vec<LaneRead>> {
        Box::pin(in_time(Engine::read(self, from, most)))
    }

    fn history<'e>(
        &'e self,
        lane: Lane,
        topic: &'e TopicName,
        last: usize,
    ) -> Answer<'e, Vec<HistoryMessage>> {
        Box::pin(in_time(Engine::history(self, lane, topic, last)))
    }

    fn record_members<'e>(
        &'e self,
        node: Incarnation,
        changes: &'e [MemberChange],
    ) -> Answer<'e, ()> {
        Box::pin(in_time(Engine::record_members(self, node, changes)))
    }

    fn remove_members(&self, node: Incarnation) -> Answer<'_, ()> {
        Box::pin(in_time(Engine::remove_members(self, node)))
    }

    fn all_members(&self) -> Answer<'_, Vec<RecordedMember>> {
        Box::pin(in_time(Engine::all_members(self)))
    }

    fn health(&self) -> Vec<EngineHealth> {
        Engine::health(self)
    }
}
