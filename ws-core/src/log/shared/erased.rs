//! An [`Engine`] behind a pointer, so that a node is compiled once.

use std::panic::AssertUnwindSafe;

use bytes::Bytes;
use futures::FutureExt;
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

/// The commands of an engine. One that is not answered in time, or panics, is
/// [`EngineError::Unknown`].
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

/// A panic would end a task of the node without notice, and nothing would be read or appended any more.
async fn guarded<T, F: Future<Output = Result<T, EngineError>>>(
    command: impl FnOnce() -> F,
) -> Result<T, EngineError> {
    // An engine is shared by several tasks, so it has locks or atomics, which survive a panic.
    let command = AssertUnwindSafe(async move { command().await }).catch_unwind();
    match timeout(DEAD_CONNECTION, command).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_)) => {
            tracing::error!("the engine of the log has panicked; its command is tried again");
            Err(EngineError::Unknown("the engine has panicked".into()))
        }
        Err(_) => Err(EngineError::Unknown("no answer in time".into())),
    }
}

impl<E: Engine> Commands for E {
    fn open(&self, lane: Lane) -> Answer<'_, Opened> {
        Box::pin(guarded(move || Engine::open(self, lane)))
    }

    fn append<'e>(&'e self, append: &'e Append) -> Answer<'e, EntryId> {
        Box::pin(guarded(move || Engine::append(self, append)))
    }

    fn relay(&self, lane: Lane, entry: Bytes) -> Answer<'_, ()> {
        Box::pin(guarded(move || Engine::relay(self, lane, entry)))
    }

    fn read<'e>(&'e self, from: &'e [ReadFrom], most: usize) -> Answer<'e, Vec<LaneRead>> {
        Box::pin(guarded(move || Engine::read(self, from, most)))
    }

    fn history<'e>(
        &'e self,
        lane: Lane,
        topic: &'e TopicName,
        last: usize,
    ) -> Answer<'e, Vec<HistoryMessage>> {
        Box::pin(guarded(move || Engine::history(self, lane, topic, last)))
    }

    fn record_members<'e>(
        &'e self,
        node: Incarnation,
        changes: &'e [MemberChange],
    ) -> Answer<'e, ()> {
        Box::pin(guarded(move || Engine::record_members(self, node, changes)))
    }

    fn remove_members(&self, node: Incarnation) -> Answer<'_, ()> {
        Box::pin(guarded(move || Engine::remove_members(self, node)))
    }

    fn all_members(&self) -> Answer<'_, Vec<RecordedMember>> {
        Box::pin(guarded(move || Engine::all_members(self)))
    }

    fn health(&self) -> Vec<EngineHealth> {
        Engine::health(self)
    }
}
