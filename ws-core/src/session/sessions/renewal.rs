//! Renews a session, and undoes the renewal if its caller does not get the new token.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::{BoxFuture, Fuse, FusedFuture};
use tokio::runtime::Handle;

use crate::session::live::WriteGuard;
use crate::session::shared::SharedSessions;
use crate::session::{
    Session, SessionError, SessionGeneration, SessionKey, SessionRecord, StoreError,
};

/// The answer of the store to a renewal.
type Answer = Result<Option<SessionRecord>, StoreError>;

/// A renewal whose caller waits for the store.
///
/// If the caller stops to wait, the store may have renewed the session or may still do so, but
/// the visitor does not get the new token. Dropping this starts a task that awaits the answer, and
/// moves the session back to the old key.
pub(super) struct Renewal {
    sessions: Arc<SharedSessions>,
    change: Change,
    call: Fuse<BoxFuture<'static, Answer>>,
    /// Held until the outcome is known, or undone: a second logon must not find the session gone
    /// and revoke the key that the first has replaced.
    write_guard: Option<WriteGuard>,
}

/// What a renewal changes.
#[derive(Clone)]
struct Change {
    before: SessionGeneration,
    old: SessionKey,
    new: SessionKey,
    /// The user before the renewal.
    user: Option<String>,
}

impl Renewal {
    /// Begins to move a session to this key, for this user.
    pub(super) fn begin(
        sessions: &Arc<SharedSessions>,
        session: &Session,
        new: SessionKey,
        user: Option<String>,
        write_guard: WriteGuard,
    ) -> Self {
        let live = &session.live;
        let (old, before) = (live.key, live.generation());
        // Before the store knows the new key: from then on, a request with the old one finds no
        // session, and must not begin another.
        sessions.replaced_keys.insert(old);
        let backend = sessions.backend.clone();
        let call = async move {
            let idle = backend.limits.idle;
            backend.store.renew(old, before, new, user, idle).await
        };
        Self {
            sessions: sessions.clone(),
            change: Change {
                before,
                old,
                new,
                user: live.user().map(str::to_owned),
            },
            call: call.boxed().fuse(),
            write_guard: Some(write_guard),
        }
    }

    /// Waits for the store. Returns the new session.
    pub(super) async fn finish(mut self) -> Result<Session, SessionError> {
        let sessions = self.sessions.clone();
        // After an error it is unknown whether the store has renewed the session.
        let renewed = sessions.backend.with_timeout(&mut self.call).await?;
        let _settled = self.write_guard.take();
        let Change { old, new, .. } = self.change;
        let Some(record) = renewed else {
            sessions.replaced_keys.remove(old);
            return Err(SessionError::Ended);
        };
        let session = sessions.acquire(new, None, record).session;
        sessions.announce_renewal(&session);
        Ok(session)
    }
}

impl Drop for Renewal {
    fn drop(&mut self) {
        let Some(write_guard) = self.write_guard.take() else {
            return;
        };
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let call = std::mem::replace(&mut self.call, Fuse::terminated());
        // A call that has panicked must not be polled again.
        let call = (!call.is_terminated() && !std::thread::panicking()).then_some(call);
        let undone = undo(self.sessions.clone(), self.change.clone(), call);
        runtime.spawn(async move {
            undone.await;
            drop(write_guard);
        });
    }
}

/// Moves a session back to its old key, after the store has answered `call`.
async fn undo(
    sessions: Arc<SharedSessions>,
    change: Change,
    call: Option<Fuse<BoxFuture<'static, Answer>>>,
) {
    let Change {
        before,
        old,
        new,
        user,
    } = change;
    let backend = &sessions.backend;
    if let Some(call) = call
        && let Ok(None) = backend.with_timeout(call).await
    {
        sessions.replaced_keys.remove(old);
        return;
    }
    let renewed = before.next();
    let undone = backend
        .store
        .renew(new, renewed, old, user, backend.limits.idle);
    match backend.with_timeout(undone).await {
        Ok(undone) => {
            if let Some(record) = undone {
                // Handles from before the renewal are no longer current, and pages reconnect.
                let session = sessions.acquire(old, None, record).session;
                sessions.announce_renewal(&session);
            }
            sessions.replaced_keys.remove(old);
        }
        Err(error) => {
            let error = format_args!("{error:#}");
            tracing::warn!(
                %error,
                "a logon whose client has gone could not be undone: its visitor has lost the session"
            );
        }
    }
}
