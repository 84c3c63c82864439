//! Sessions of an application, and stores that fail.

use std::sync::Arc;

use super::*;

/// An application whose cookie `app` identifies a session; the test sets its user and whether it is
/// live.
#[derive(Clone, Default)]
pub(super) struct Application(Arc<Mutex<Option<ForeignSession>>>);

impl Application {
    pub(super) fn set_session(&self, session: Option<ForeignSession>) {
        *self.0.lock().unwrap() = session;
    }
}

impl SessionSource for Application {
    async fn find(&self, headers: &HeaderMap) -> Result<Option<ForeignSession>, StoreError> {
        let named = cookies::value(headers, "app").is_some();
        Ok(self.0.lock().unwrap().clone().filter(|_| named))
    }

    async fn is_live(&self, key: &str) -> Result<bool, StoreError> {
        let session = self.0.lock().unwrap();
        Ok(session.as_ref().is_some_and(|session| session.key() == key))
    }
}

fn sessions_of(application: &Application) -> Sessions {
    let options = SessionOptions::new(SessionLimits::DEFAULT);
    Sessions::new(options.source(application.clone()))
}

pub(super) async fn find(sessions: &Sessions) -> Option<Session> {
    sessions.find(&cookie("app", "1"), false).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_first_request_of_a_foreign_session_begins_a_session() {
    let application = Application::default();
    let sessions = sessions_of(&application);
    assert_eq!(find(&sessions).await, None);
    application.set_session(Some(ForeignSession::new("one").user("ada")));
    let session = find(&sessions).await.unwrap();
    assert_eq!(session.user(), Some("ada"));
    session.insert("cart", &3).await.unwrap();
    assert_eq!(find(&sessions).await, Some(session));
    let again = find(&sessions).await.unwrap();
    assert_eq!(
        (again.get("cart"), sessions.count().await.unwrap()),
        (Some(3), 1)
    );
    application.set_session(Some(ForeignSession::new("two")));
    let other = find(&sessions).await.unwrap();
    assert_ne!(other, again);
    assert_eq!((other.user(), other.get::<u32>("cart")), (None, None));
    let without_cookie = sessions.find(&HeaderMap::new(), false).await.unwrap();
    assert_eq!(without_cookie, None);
}

#[tokio::test(start_paused = true)]
async fn a_user_change_under_the_same_key_does_not_reach_earlier_handles() {
    let application = Application::default();
    let sessions = sessions_of(&application);
    application.set_session(Some(ForeignSession::new("one")));
    let before = find(&sessions).await.unwrap();
    application.set_session(Some(ForeignSession::new("one").user("ada")));
    let after = find(&sessions).await.unwrap();
    after.insert("secret", "of ada").await.unwrap();
    assert_eq!((before.user(), after.user()), (None, Some("ada")));
    assert_eq!(
        (before.get::<String>("secret"), before.is_current()),
        (None, false)
    );
    let changed = before.insert("secret", "of mallory").await.unwrap_err();
    assert!(matches!(changed, SessionError::Ended), "{changed}");
}

#[tokio::test(start_paused = true)]
async fn a_socket_from_before_a_logon_does_not_keep_alive_a_session_with_the_same_key() {
    let application = Application::default();
    let sessions = sessions_of(&application);
    application.set_session(Some(ForeignSession::new("one")));
    let before = find(&sessions).await.unwrap();
    let socket = Arc::new(sockets::CountingSocket::default());
    let weak = Arc::downgrade(&socket);
    let _attachment = before.attach(ConnectionId::new(1), weak);
    application.set_session(Some(ForeignSession::new("one").user("ada")));
    drop(find(&sessions).await.unwrap());
    tokio::time::sleep(IDLE * 2).await;
    assert_eq!((sessions.count().await.unwrap(), socket.closed()), (0, 1));
}

/// An application that keeps its session's id over a logoff and the next logon.
#[tokio::test(start_paused = true)]
async fn another_user_under_the_same_key_gets_a_new_session() {
    let application = Application::default();
    let sessions = sessions_of(&application);
    application.set_session(Some(ForeignSession::new("one").user("ada")));
    let ada = find(&sessions).await.unwrap();
    ada.insert("secret", "of ada").await.unwrap();
    let socket = Arc::new(sockets::CountingSocket::default());
    let weak = Arc::downgrade(&socket);
    let _attachment = ada.attach(ConnectionId::new(1), weak);
    for user in [None, Some("bob")] {
        let session = ForeignSession::new("one");
        application.set_session(Some(match user {
            Some(user) => session.user(user),
            None => session,
        }));
        let next = find(&sessions).await.unwrap();
        assert_eq!((next.user(), next.get::<String>("secret")), (user, None));
        assert_ne!(next.id(), ada.id());
    }
    assert_eq!((socket.closed(), ada.is_current()), (1, false));
    assert_eq!(sessions.count().await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn only_the_application_begins_and_renews_its_sessions() {
    let application = Application::default();
    let sessions = sessions_of(&application);
    application.set_session(Some(ForeignSession::new("one")));
    let session = find(&sessions).await.unwrap();
    let begun = sessions.begin().await.unwrap_err();
    assert!(matches!(begun, SessionError::Foreign), "{begun}");
    let renewed = sessions.renew(&session, user("ada")).await.unwrap_err();
    assert!(matches!(renewed, SessionError::Foreign), "{renewed}");
    assert!(sessions.end_foreign("one").await.unwrap());
    assert!(!session.is_current());
    assert!(!sessions.end_foreign("one").await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn sockets_close_when_the_application_ends_their_session() {
    let application = Application::default();
    let sessions = sessions_of(&application);
    application.set_session(Some(ForeignSession::new("one")));
    let session = find(&sessions).await.unwrap();
    let socket = Arc::new(sockets::CountingSocket::default());
    let weak = Arc::downgrade(&socket);
    let _attachment = session.attach(ConnectionId::new(1), weak);
    tokio::time::sleep(IDLE * 3).await;
    assert_eq!(socket.closed(), 0);
    application.set_session(None);
    tokio::time::sleep(IDLE / 4 + SECOND).await;
    assert_eq!(socket.closed(), 1);
}

/// How a broken store fails.
#[derive(Clone, Copy)]
enum Failure {
    Fails,
    Hangs,
    Panics,
}

impl Failure {
    async fn answer<T>(self) -> Result<T, StoreError> {
        match self {
            Self::Fails => Err(StoreError::failed("connection refused")),
            Self::Hangs => std::future::pending().await,
            Self::Panics => panic!("in the store"),
        }
    }
}

impl SessionStore for Failure {
    async fn create(
        &self,
        _: SessionKey,
        _: SessionRecord,
        _: Duration,
    ) -> Result<bool, StoreError> {
        self.answer().await
    }

    async fn load(&self, _: SessionKey, _: Duration) -> Result<Option<SessionRecord>, StoreError> {
        self.answer().await
    }

    async fn touch(&self, _: SessionKey, _: SessionId, _: Duration) -> Result<bool, StoreError> {
        self.answer().await
    }

    async fn contains(&self, _: SessionKey, _: SessionId) -> Result<bool, StoreError> {
        self.answer().await
    }

    async fn set(
        &self,
        _: SessionKey,
        _: SessionGeneration,
        _: &str,
        _: Option<String>,
    ) -> Result<Option<u64>, StoreError> {
        self.answer().await
    }

    async fn renew(
        &self,
        _: SessionKey,
        _: SessionGeneration,
        _: SessionKey,
        _: Option<String>,
        _: Duration,
    ) -> Result<Option<SessionRecord>, StoreError> {
        self.answer().await
    }

    async fn remove_generation(
        &self,
        _: SessionKey,
        _: SessionGeneration,
    ) -> Result<bool, StoreError> {
        self.answer().await
    }

    async fn remove(&self, _: SessionKey) -> Result<Option<SessionId>, StoreError> {
        self.answer().await
    }

    async fn remove_user(&self, _: &str) -> Result<Vec<SessionId>, StoreError> {
        self.answer().await
    }

    async fn count(&self) -> Result<usize, StoreError> {
        self.answer().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_or_hangs_is_an_error_within_the_timeout() {
    let token = SessionToken::new().unwrap();
    for (failure, text) in [
        (
            Failure::Fails,
            "the session store failed: connection refused",
        ),
        (
            Failure::Hangs,
            "the session store did not answer within `lookup_timeout`",
        ),
    ] {
        let options = SessionOptions::new(SessionLimits::DEFAULT).store(failure);
        let sessions = Sessions::new(options);
        let start = tokio::time::Instant::now();
        let found = sessions
            .find(&request_with(&token), false)
            .await
            .unwrap_err();
        let begun = sessions.begin().await.unwrap_err();
        let ended = sessions.end_user("ada").await.unwrap_err();
        for error in [found, begun] {
            assert_eq!(
                (error.status().as_u16(), format!("{error:#}")),
                (503, text.to_owned())
            );
        }
        assert_eq!(format!("{ended:#}"), text);
        let lookup = sessions.limits().lookup_timeout;
        let waited = if matches!(failure, Failure::Hangs) {
            lookup * 3
        } else {
            Duration::ZERO
        };
        assert_eq!(start.elapsed(), waited);
    }
}

/// Sessions in memory, until the store breaks.
#[derive(Clone)]
struct BreakableStore {
    memory: Arc<MemoryStore>,
    failure: Arc<Mutex<Option<Failure>>>,
}

wrapped_store!(BreakableStore);

impl BreakableStore {
    fn new() -> (Self, Sessions) {
        let store = Self {
            memory: Arc::new(MemoryStore::new(100)),
            failure: Arc::default(),
        };
        let sessions = Sessions::new(SessionOptions::default().store(store.clone()));
        (store, sessions)
    }

    fn set_failure(&self, failure: Option<Failure>) {
        *self.failure.lock().unwrap() = failure;
    }

    async fn call<T>(
        &self,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let failure = *self.failure.lock().unwrap();
        match failure {
            Some(failure) => failure.answer().await,
            None => call.await,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_end_that_failed_in_the_store_is_repeated_by_the_next_call() {
    let (store, sessions) = BreakableStore::new();
    let (session, token) = returned(&sessions).await;
    store.set_failure(Some(Failure::Fails));
    let failed = sessions.end(&session).await.unwrap_err();
    assert_eq!(failed.status().as_u16(), 503);
    assert!(!session.is_current());
    store.set_failure(None);
    assert!(sessions.end(&session).await.unwrap());
    drop(session);
    assert_eq!(found(&sessions, &token).await, None);
    // Or by the next request with its cookie, while this process knows that it has ended.
    let (session, token) = returned(&sessions).await;
    store.set_failure(Some(Failure::Fails));
    sessions.end(&session).await.unwrap_err();
    store.set_failure(None);
    assert_eq!(found(&sessions, &token).await, None);
    assert_eq!(sessions.count().await.unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_fails_temporarily_loses_no_session_with_a_socket() {
    let (store, sessions) = BreakableStore::new();
    let (session, token) = returned(&sessions).await;
    let socket = Arc::new(sockets::CountingSocket::default());
    let weak = Arc::downgrade(&socket);
    let _attachment = session.attach(ConnectionId::new(1), weak);
    for failure in [Failure::Panics, Failure::Fails, Failure::Hangs] {
        store.set_failure(Some(failure));
        tokio::time::sleep(IDLE / 3).await;
        store.set_failure(None);
        tokio::time::sleep(IDLE * 2).await;
        assert_eq!(socket.closed(), 0);
    }
    assert_eq!(found(&sessions, &token).await, Some(session));
}

#[cfg(feature = "cluster")]
#[tokio::test(start_paused = true)]
async fn after_lost_notices_the_store_is_asked_until_it_answers() {
    let (store, sessions) = BreakableStore::new();
    let (ended, token) = returned(&sessions).await;
    let (other, _) = returned(&sessions).await;
    let sockets = [&ended, &other].map(|session| {
        let socket = Arc::new(sockets::CountingSocket::default());
        let weak = Arc::downgrade(&socket);
        (session.attach(ConnectionId::new(1), weak), socket)
    });
    store.memory.remove(token.key()).await.unwrap();
    store.set_failure(Some(Failure::Fails));
    sessions.notices_lost();
    tokio::time::sleep(SECOND * 10).await;
    let closed = || sockets.each_ref().map(|(_, socket)| socket.closed());
    assert_eq!(closed(), [0, 0]);
    store.set_failure(None);
    tokio::time::sleep(SECOND * 2).await;
    assert_eq!(closed(), [1, 0]);
}
