//! Finds the session of a request by its cookies.

use std::pin::pin;

use http::{HeaderMap, StatusCode};

use super::Sessions;
use crate::session::{Session, SessionError, SessionToken, cookies};
use crate::timeout;

/// The maximum number of distinct tokens of one request that are looked up.
const MAX_CANDIDATES: usize = 4;

/// Why a request has no session. Each text completes a sentence about the request.
///
/// ```
/// use http::HeaderMap;
/// use ws_server::session::{NoSession, Sessions};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
/// #     .block_on(async {
/// let sessions = Sessions::default();
/// let found = sessions.identify(&HeaderMap::new(), true).await.unwrap();
/// assert_eq!(found.err(), Some(NoSession::NoCookie));
/// assert_eq!(NoSession::NoCookie.status(), 403);
/// # });
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NoSession {
    /// The request has no session cookie.
    #[error("the request has no session cookie")]
    NoCookie,
    /// The cookie refers to no live session.
    #[error("the session of its cookie has ended")]
    Ended,
    /// A logon has replaced the session of the cookie within the last minute.
    #[error("a logon has replaced the session of its cookie")]
    Renewed,
    /// Two cookies refer to two live sessions, and the request does not show which one is meant.
    #[error("its session cookies name different sessions")]
    Ambiguous,
    /// The request has more distinct session cookies than are looked up.
    #[error("the request has more than {MAX_CANDIDATES} different session cookies")]
    TooMany,
    /// The application's [`SessionSource`](crate::session::SessionSource) returned none.
    #[error("the application knows no session for the request")]
    Unknown,
}

impl NoSession {
    /// The status of the response on a route that requires a session: 403.
    pub const fn status(&self) -> StatusCode {
        StatusCode::FORBIDDEN
    }
}

/// The distinct tokens in the session cookies of a request, at most [`MAX_CANDIDATES`].
///
/// A browser sends two cookies of one name if one was set for a path or domain and the other for
/// the whole site. Often one of them is stale, or both are equal.
struct Candidates<'h>([Option<(&'h [u8], SessionToken)>; MAX_CANDIDATES]);

impl<'h> Candidates<'h> {
    /// Cookies that are not valid tokens count as cookies of an ended session.
    fn of(headers: &'h HeaderMap, name: &str) -> Result<Self, NoSession> {
        let mut found = [const { None }; MAX_CANDIDATES];
        let mut none = NoSession::NoCookie;
        for value in cookies::all(headers, name) {
            none = NoSession::Ended;
            // Equal tokens have equal texts.
            let is_known = found.iter().flatten().any(|(known, _)| *known == value);
            let token = SessionToken::parse(value).filter(|_| !is_known);
            if let Some(token) = token {
                let free = found.iter_mut().find(|place| place.is_none());
                *free.ok_or(NoSession::TooMany)? = Some((value, token));
            }
        }
        found[0].as_ref().ok_or(none)?;
        Ok(Self(found))
    }

    fn tokens(&self) -> impl Iterator<Item = &SessionToken> {
        self.0.iter().flatten().map(|(_, token)| token)
    }
}

impl Sessions {
    /// Whether a request with these headers carries a key that a logon has just replaced: the
    /// request was in flight during the logon, and the browser has received a new cookie by now.
    pub fn has_replaced_key(&self, headers: &HeaderMap, secure: bool) -> bool {
        let found = Candidates::of(headers, self.session_cookie(secure));
        found.is_ok_and(|found| self.contains_replaced_key(&found))
    }

    fn contains_replaced_key(&self, found: &Candidates<'_>) -> bool {
        let mut tokens = found.tokens();
        tokens.any(|token| self.inner.replaced_keys.contains(token.key()))
    }

    /// Finds the session of a request with these headers, received over TLS or plain HTTP. The
    /// session's idle time restarts.
    ///
    /// ```
    /// use http::HeaderMap;
    /// use ws_server::session::Sessions;
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
    /// #     .block_on(async {
    /// let sessions = Sessions::default();
    /// let (session, token) = sessions.begin().await.unwrap();
    /// let cookie = format!("{}={}", sessions.session_cookie(true), token.cookie_value());
    /// let mut headers = HeaderMap::new();
    /// headers.insert("cookie", cookie.parse().unwrap());
    /// let found = sessions.find(&headers, true).await.unwrap().unwrap();
    /// assert_eq!(found.id(), session.id());
    /// # });
    /// ```
    ///
    /// # Errors
    ///
    /// The errors of the store or the source; [`SessionError::Full`] for the first request of an
    /// application's session if the store is full.
    pub async fn find(
        &self,
        headers: &HeaderMap,
        secure: bool,
    ) -> Result<Option<Session>, SessionError> {
        Ok(self.identify(headers, secure).await?.ok())
    }

    /// Finds the session of a request like [`find`](Self::find), or returns why there is none.
    ///
    /// Several cookies may have the name, with at most four distinct values. If exactly one of them
    /// refers to a live session, that one is returned; if two do, none.
    ///
    /// # Errors
    ///
    /// Same as [`find`](Self::find).
    pub async fn identify(
        &self,
        headers: &HeaderMap,
        secure: bool,
    ) -> Result<Result<Session, NoSession>, SessionError> {
        let limit = self.inner.backend.limits.lookup_timeout;
        // Several calls of the store may be necessary; this deadline covers all of them.
        let found = pin!(self.look_up(headers, secure));
        let found = timeout::timeout(limit, found).await;
        found.unwrap_or(Err(SessionError::TimedOut))
    }

    async fn look_up(
        &self,
        headers: &HeaderMap,
        secure: bool,
    ) -> Result<Result<Session, NoSession>, SessionError> {
        if let Some(source) = &self.inner.backend.source {
            return self.find_foreign(&**source, headers).await;
        }
        let candidates = match Candidates::of(headers, self.session_cookie(secure)) {
            Ok(candidates) => candidates,
            Err(none) => return Ok(Err(none)),
        };
        let mut found = None;
        for token in candidates.tokens() {
            let Some(session) = self.load(token.key(), None).await? else {
                continue;
            };
            if found.replace(session).is_some() {
                self.warn_about_ambiguous_cookies();
                return Ok(Err(NoSession::Ambiguous));
            }
        }
        Ok(found.ok_or_else(|| {
            if self.contains_replaced_key(&candidates) {
                NoSession::Renewed
            } else {
                NoSession::Ended
            }
        }))
    }

    /// Logs neither ids nor cookies: both are secret.
    fn warn_about_ambiguous_cookies(&self) {
        match self.inner.ambiguous.count() {
            None => tracing::debug!("two session cookies name different live sessions"),
            Some(requests) => tracing::warn!(
                requests,
                "two session cookies of a request name different live sessions, and neither \
                 counts; a server of a neighbouring host or path may set a cookie of the same \
                 name: choose another with the option `session_cookie`"
            ),
        }
    }
}
