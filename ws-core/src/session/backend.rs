//! The store and the source of a server's sessions, and the deadline of their calls.

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::pages::SessionPages;
use super::store::{DynSource, DynStore};
use super::{SessionError, SessionId, SessionKey, StoreError};
use crate::limits::SessionLimits;
use crate::timeout;

/// The store, the source and the limits of one server's sessions, and its pages.
pub(super) struct Backend {
    pub(super) store: Box<dyn DynStore>,
    pub(super) source: Option<Box<dyn DynSource>>,
    pub(super) limits: SessionLimits,
    /// One entry for each server that shares the sessions; usually there is one.
    pages: Mutex<Vec<Weak<dyn SessionPages>>>,
}

impl Backend {
    pub(super) fn new(
        store: Box<dyn DynStore>,
        source: Option<Box<dyn DynSource>>,
        limits: SessionLimits,
    ) -> Self {
        Self {
            store,
            source,
            limits,
            pages: Mutex::default(),
        }
    }

    /// The pages of the servers that share these sessions.
    pub(super) fn pages(&self) -> impl Iterator<Item = Arc<dyn SessionPages>> + use<> {
        let pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        pages
            .clone()
            .into_iter()
            .filter_map(|pages| pages.upgrade())
    }

    pub(super) fn add_pages(&self, pages: Weak<dyn SessionPages>) {
        let mut all = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|pages| pages.strong_count() > 0);
        all.push(pages);
    }

    /// Restarts the idle time of a session in a task of its own, so that the caller does not wait.
    pub(super) fn touch_later(self: &Arc<Self>, key: SessionKey, id: SessionId) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let backend = self.clone();
        runtime.spawn(async move {
            let touched = backend.store.touch(key, id, backend.limits.idle);
            if let Err(error) = backend.with_timeout(touched).await {
                let error = format_args!("{error:#}");
                tracing::warn!(%error, "the idle time of a session did not start again");
            }
        });
    }

    /// Waits for a call of the store or the source, at most for `lookup_timeout`.
    pub(super) async fn with_timeout<T>(
        &self,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, SessionError> {
        match timeout::timeout(self.limits.lookup_timeout, pin!(call)).await {
            Ok(result) => Ok(result?),
            Err(_) => Err(SessionError::TimedOut),
        }
    }
}
