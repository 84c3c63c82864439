//! A store that counts its calls, and fails when a test selects that.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ws_server::session::{
    MemoryStore, SessionGeneration, SessionId, SessionKey, SessionRecord, SessionStore, StoreError,
};

/// How the store answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(usize)]
pub(super) enum Mode {
    Works,
    Fails,
    Hangs,
}

/// A memory store that counts calls and can be set to fail.
#[derive(Clone)]
pub(super) struct Store {
    memory: Arc<MemoryStore>,
    asked: Arc<AtomicUsize>,
    mode: Arc<AtomicUsize>,
}

impl Store {
    pub(super) fn new() -> Self {
        Self {
            memory: Arc::new(MemoryStore::new(100)),
            asked: Arc::default(),
            mode: Arc::default(),
        }
    }

    pub(super) fn set(&self, mode: Mode) {
        self.mode.store(mode as usize, Ordering::SeqCst);
    }

    /// The number of calls since the last call of this function.
    pub(super) fn asked(&self) -> usize {
        self.asked.swap(0, Ordering::SeqCst)
    }

    async fn answer(&self) -> Result<&MemoryStore, StoreError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        match self.mode.load(Ordering::SeqCst) {
            0 => Ok(&self.memory),
            1 => Err(StoreError::failed("connection refused")),
            _ => std::future::pending().await,
        }
    }
}

impl SessionStore for Store {
    async fn create(
        &self,
        key: SessionKey,
        record: SessionRecord,
        ttl: Duration,
    ) -> Result<bool, StoreError> {
        self.answer().await?.create(key, record, ttl).await
    }

    async fn load(
        &self,
        key: SessionKey,
        ttl: Duration,
    ) -> Result<Option<SessionRecord>, StoreError> {
        self.answer().await?.load(key, ttl).await
    }

    async fn touch(
        &self,
        key: SessionKey,
        id: SessionId,
        ttl: Duration,
    ) -> Result<bool, StoreError> {
        self.answer().await?.touch(key, id, ttl).await
    }

    async fn contains(&self, key: SessionKey, id: SessionId) -> Result<bool, StoreError> {
        self.answer().await?.contains(key, id).await
    }

    async fn set(
        &self,
        key: SessionKey,
        generation: SessionGeneration,
        name: &str,
        value: Option<String>,
    ) -> Result<Option<u64>, StoreError> {
        self.answer().await?.set(key, generation, name, value).await
    }

    async fn renew(
        &self,
        old: SessionKey,
        generation: SessionGeneration,
        new: SessionKey,
        user: Option<String>,
        ttl: Duration,
    ) -> Result<Option<SessionRecord>, StoreError> {
        let store = self.answer().await?;
        store.renew(old, generation, new, user, ttl).await
    }

    async fn remove_generation(
        &self,
        key: SessionKey,
        generation: SessionGeneration,
    ) -> Result<bool, StoreError> {
        let store = self.answer().await?;
        store.remove_generation(key, generation).await
    }

    async fn remove(&self, key: SessionKey) -> Result<Option<SessionId>, StoreError> {
        self.answer().await?.remove(key).await
    }

    async fn remove_user(&self, user: &str) -> Result<Vec<SessionId>, StoreError> {
        self.answer().await?.remove_user(user).await
    }

    async fn count(&self) -> Result<usize, StoreError> {
        self.answer().await?.count().await
    }
}
