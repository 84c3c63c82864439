//! Sessions of an application, and stores that fail.

use std::sync::Arc;

use super::*;

/// An application whose cookie `app` names a session; who it belongs to, and whether it is
/// live, the test says.
#[derive(Clone, Default)]
struct Application(Arc<Mutex<Option<ForeignSession>>>);

impl Application {
    fn says(&self, session: Option<ForeignSession>) {
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

fn of(application: &Application) -> Sessions {
    let options = SessionOptions::new(SessionLimits::DEFAULT);
    Sessions::new(options.source(application.clone()))
}

async fn find(sessions: &Sessions) -> Option<Session> {
    sessions.find(&cookie("app", "1"), false).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_session_of_the_application_is_one_of_ours_from_its_first_request_on() {
    let application = Application::default();
    let sessions = of(&application);
    assert_eq!(find(&sessions).await, None);
    application.says(Some(ForeignSession::new("one").user("ada")));
    let session = find(&sessions).await.unwrap();
    assert_eq!(session.user(), Some("ada"));
    session.insert("cart", &3).await.unwrap();
    assert_eq!(find(&sessions).await, Some(session));
    let again = find(&sessions).await.unwrap();
    assert_eq!(
        (again.get("cart"), sessions.count().await.unwrap()),
        (Some(3), 1)
    );
    application.says(Some(ForeignSession::new("two")));
    let other = find(&sessions).await.unwrap();
    assert_ne!(other, again);
    assert_eq!((other.user(), other.get::<u32>("cart")), (None, None));
    let nobody = sessions.find(&HeaderMap::new(), false).await.unwrap();
    assert_eq!(nobody, None);
}

#[tokio::test(start_paused = true)]
async fn a_user_that_changes_under_the_same_key_is_not_seen_by_who_held_the_session() {
    let application = Application::default();
    let sessions = of(&application);
    application.says(Some(ForeignSession::new("one")));
    let before = find(&sessions).await.unwrap();
    application.says(Some(ForeignSession::new("one").user("ada")));
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
async fn the_application_alone_begins_and_renews_its_sessions() {
    let application = Application::default();
    let sessions = of(&application);
    application.says(Some(ForeignSession::new("one")));
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
async fn sockets_are_closed_where_the_application_no_longer_knows_their_session() {
    let application = Application::default();
    let sessions = of(&application);
    application.says(Some(ForeignSession::new("one")));
    let session = find(&sessions).await.unwrap();
    let socket = Arc::new(sockets::Counting::default());
    let weak = Arc::downgrade(&socket);
    let _attachment = session.attach(ConnectionId::new(1), weak);
    tokio::time::sleep(IDLE * 3).await;
    assert_eq!(socket.closed(), 0);
    application.says(None);
    tokio::time::sleep(IDLE / 4 + SECOND).await;
    assert_eq!(socket.closed(), 1);
}

/// How a broken store is broken.
#[derive(Clone, Copy)]
enum Broken {
    Fails,
    Hangs,
}

impl Broken {
    async fn answer<T>(self) -> Result<T, StoreError> {
        match self {
            Self::Fails => Err(StoreError::failed("connection refused")),
            Self::Hangs => std::future::pending().await,
        }
    }
}

impl SessionStore for Broken {
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

    async fn touch(&self, _: SessionKey, _: Duration) -> Result<bool, StoreError> {
        self.answer().await
    }

    async fn contains(&self, _: SessionKey) -> Result<bool, StoreError> {
        self.answer().await
    }

    async fn set(
        &self,
        _: SessionKey,
        _: &str,
        _: Option<String>,
    ) -> Result<Option<u64>, StoreError> {
        self.answer().await
    }

    async fn renew(
        &self,
        _: SessionKey,
        _: SessionKey,
        _: Option<String>,
        _: Duration,
    ) -> Result<Option<SessionRecord>, StoreError> {
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
async fn a_store_that_fails_or_hangs_is_an_error_in_time() {
    let token = SessionToken::new().unwrap();
    for (broken, text) in [
        (
            Broken::Fails,
            "the session store failed: connection refused",
        ),
        (Broken::Hangs, "the session store does not answer"),
    ] {
        let options = SessionOptions::new(SessionLimits::DEFAULT).store(broken);
        let sessions = Sessions::new(options);
        let start = tokio::time::Instant::now();
        let found = sessions.find(&with(&token), false).await.unwrap_err();
        let begun = sessions.begin().await.unwrap_err();
        let ended = sessions.end_user("ada").await.unwrap_err();
        for error in [found, begun] {
            assert_eq!(
                (error.status().as_u16(), error.to_string()),
                (503, text.to_owned())
            );
        }
        assert_eq!(ended.to_string(), text);
        let lookup = sessions.limits().lookup_timeout;
        let waited = if matches!(broken, Broken::Hangs) {
            lookup * 3
        } else {
            Duration::ZERO
        };
        assert_eq!(start.elapsed(), waited);
    }
}
