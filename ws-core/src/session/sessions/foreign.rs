//! Finds the session of a request by the session of the application.

use http::HeaderMap;

use super::{NoSession, Sessions};
use crate::session::backend::Backend;
use crate::session::store::DynSource;
use crate::session::{ForeignSession, Session, SessionError, SessionKey, SessionRecord};

/// How often a lookup starts again because another request has begun or ended the session.
const ATTEMPTS: usize = 4;

impl Sessions {
    /// Finds our session for the application's session of a request; begins one if there is none.
    pub(super) async fn find_foreign(
        &self,
        source: &dyn DynSource,
        headers: &HeaderMap,
    ) -> Result<Result<Session, NoSession>, SessionError> {
        let Backend { store, limits, .. } = &*self.inner.backend;
        let ask = async || self.inner.backend.with_timeout(source.find(headers)).await;
        let mut answer = ask().await?;
        for _ in 0..ATTEMPTS {
            let Some(ForeignSession { key: name, user }) = answer.clone() else {
                return Ok(Err(NoSession::Unknown));
            };
            let key = SessionKey::of_foreign(&name);
            if let Some(session) = self.load(key, Some(name.clone())).await? {
                if session.user() == user.as_deref() {
                    return Ok(Ok(session));
                }
                // A logon may have overtaken this request. The answer to a question from after the
                // load shows which of the two users is the later one.
                let latest = ask().await?;
                if latest != answer {
                    answer = latest;
                    continue;
                }
                if session.user().is_some() {
                    // A different user must not inherit this user's session.
                    self.end(&session).await?;
                } else {
                    let generation = session.live.generation();
                    let renewed = store.renew(key, generation, key, user, limits.idle);
                    if let Some(record) = self.inner.backend.with_timeout(renewed).await? {
                        let session = self.inner.acquire(key, Some(name), record).session;
                        self.inner.announce_renewal(&session);
                        return Ok(Some(session)
                            .filter(Session::is_current)
                            .ok_or(NoSession::Ended));
                    }
                    // Another request has renewed or ended it first.
                    continue;
                }
            }
            let record = SessionRecord::new(user)?;
            let created = store.create(key, record, limits.idle);
            self.inner.backend.with_timeout(created).await?;
        }
        Err(SessionError::TimedOut)
    }
}
