//! Concurrent calls: a store whose answers a test delays.

use std::sync::Arc;

use tokio::sync::{Notify, Semaphore};

use super::*;

/// Answers only when the test allows it: `load` and `contains` with the state at the time of the
/// call, `touch` with the state at the time of the answer.
#[derive(Clone)]
struct PausedStore {
    memory: Arc<MemoryStore>,
    called: Arc<Notify>,
    answers: Arc<Semaphore>,
    /// A renewal is stored, and not answered yet.
    renewed: Arc<Notify>,
    renewals: Arc<Semaphore>,
}

impl PausedStore {
    fn new() -> Self {
        Self {
            memory: Arc::new(MemoryStore::new(100)),
            called: Arc::default(),
            answers: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS >> 1)),
            renewed: Arc::default(),
            renewals: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS >> 1)),
        }
    }

    /// Delays all answers from now on.
    fn pause(&self) {
        self.answers.forget_permits(Semaphore::MAX_PERMITS);
    }

    async fn answer(&self) {
        self.called.notify_one();
        self.answers.acquire().await.unwrap().forget();
    }
}

impl SessionStore for PausedStore {
    async fn create(
        &self,
        key: SessionKey,
        record: SessionRecord,
        ttl: Duration,
    ) -> Result<bool, StoreError> {
        self.memory.create(key, record, ttl).await
    }

    async fn load(
        &self,
        key: SessionKey,
        ttl: Duration,
    ) -> Result<Option<SessionRecord>, StoreError> {
        let record = self.memory.load(key, ttl).await;
        self.answer().await;
        record
    }

    async fn touch(
        &self,
        key: SessionKey,
        id: SessionId,
        ttl: Duration,
    ) -> Result<bool, StoreError> {
        self.answer().await;
        self.memory.touch(key, id, ttl).await
    }

    async fn contains(&self, key: SessionKey, id: SessionId) -> Result<bool, StoreError> {
        let contains = self.memory.contains(key, id).await;
        self.answer().await;
        contains
    }

    async fn set(
        &self,
        key: SessionKey,
        generation: SessionGeneration,
        name: &str,
        value: Option<String>,
    ) -> Result<Option<u64>, StoreError> {
        self.memory.set(key, generation, name, value).await
    }

    async fn renew(
        &self,
        old: SessionKey,
        generation: SessionGeneration,
        new: SessionKey,
        user: Option<String>,
        ttl: Duration,
    ) -> Result<Option<SessionRecord>, StoreError> {
        let record = self.memory.renew(old, generation, new, user, ttl).await;
        self.renewed.notify_one();
        self.renewals.acquire().await.unwrap().forget();
        record
    }

    async fn remove_generation(
        &self,
        key: SessionKey,
        generation: SessionGeneration,
    ) -> Result<bool, StoreError> {
        self.memory.remove_generation(key, generation).await
    }

    async fn remove(&self, key: SessionKey) -> Result<Option<SessionId>, StoreError> {
        self.memory.remove(key).await
    }

    async fn remove_user(&self, user: &str) -> Result<Vec<SessionId>, StoreError> {
        self.memory.remove_user(user).await
    }

    async fn count(&self) -> Result<usize, StoreError> {
        self.memory.count().await
    }
}

/// A session of `ada` without handles, in a store whose answers a test can delay.
async fn ada() -> (PausedStore, Sessions, SessionToken) {
    let store = PausedStore::new();
    let sessions = Sessions::new(SessionOptions::default().store(store.clone()));
    let (session, _) = sessions.begin().await.unwrap();
    let (_, token) = sessions.renew(&session, user("ada")).await.unwrap();
    (store, sessions, token)
}

#[tokio::test(start_paused = true)]
async fn a_session_that_ends_during_its_lookup_is_not_found() {
    for ends_before in ["the first answer", "the second answer"] {
        let (store, sessions, token) = ada().await;
        store.pause();
        let (finding, headers) = (sessions.clone(), request_with(&token));
        let finding = tokio::spawn(async move { finding.find(&headers, false).await.unwrap() });
        store.called.notified().await;
        if ends_before == "the second answer" {
            store.answers.add_permits(1);
            store.called.notified().await;
        }
        assert_eq!(sessions.end_user("ada").await.unwrap(), 1);
        store.answers.add_permits(2);
        assert_eq!(finding.await.unwrap(), None, "{ends_before}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_logon_during_a_keeper_run_ends_no_session() {
    let (store, sessions, token) = ada().await;
    let session = found(&sessions, &token).await.unwrap();
    let counting = Arc::new(sockets::CountingSocket::default());
    let weak = Arc::downgrade(&counting);
    let _attachment = session.attach(ConnectionId::new(1), weak);
    // The keeper checks the old key, and a logon moves the session in the meantime.
    store.pause();
    tokio::time::sleep(IDLE / 4 + SECOND).await;
    store.called.notified().await;
    let (renewed, _) = sessions.renew(&session, user("ada")).await.unwrap();
    store.answers.add_permits(100);
    tokio::time::sleep(SECOND).await;
    assert_eq!(counting.closed(), 0);
    assert!(renewed.is_current());
}

#[tokio::test(start_paused = true)]
async fn a_concurrent_lookup_does_not_return_an_ended_session() {
    let (store, sessions, token) = ada().await;
    store.pause();
    let find = || {
        let (finding, headers) = (sessions.clone(), request_with(&token));
        tokio::spawn(async move { finding.find(&headers, false).await.unwrap() })
    };
    let (first, second) = (find(), find());
    store.called.notified().await;
    tokio::task::yield_now().await;
    // Both have loaded it; another process ends it before either has checked again.
    store.memory.remove_user("ada").await.unwrap();
    // The first gets its answer only after the second holds the session too.
    store.answers.add_permits(2);
    let second = second.await.unwrap();
    store.answers.add_permits(100);
    let found = [first.await.unwrap(), second];
    assert_eq!(
        found
            .iter()
            .flatten()
            .filter(|session| session.is_current())
            .count(),
        0
    );
}

#[tokio::test(start_paused = true)]
async fn a_request_during_a_logon_does_not_look_like_a_new_visitor() {
    let (store, sessions, token) = ada().await;
    store.renewed.notified().await;
    let session = found(&sessions, &token).await.unwrap();
    store.renewals.forget_permits(Semaphore::MAX_PERMITS);
    let renewing = sessions.clone();
    let logon = tokio::spawn(async move { renewing.renew(&session, user("bob")).await.is_ok() });
    store.renewed.notified().await;
    // The store has only the new key by now, and the logon is not answered yet.
    let headers = request_with(&token);
    assert_eq!(sessions.find(&headers, false).await.unwrap(), None);
    assert!(sessions.has_replaced_key(&headers, false));
    store.renewals.add_permits(1);
    assert!(logon.await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_logon_that_finds_no_session_replaces_no_key() {
    let (store, sessions, token) = ada().await;
    let session = found(&sessions, &token).await.unwrap();
    // Another process ends the session.
    store.memory.remove_user("ada").await.unwrap();
    let renewed = sessions.renew(&session, user("bob")).await;
    assert!(matches!(renewed, Err(SessionError::Ended)), "{renewed:?}");
    assert!(!sessions.has_replaced_key(&request_with(&token), false));
}

#[tokio::test(start_paused = true)]
async fn a_logon_that_the_store_answers_too_late_leaves_the_old_session() {
    let (store, sessions, token) = ada().await;
    let session = found(&sessions, &token).await.unwrap();
    store.renewals.forget_permits(Semaphore::MAX_PERMITS);
    let renewed = sessions.renew(&session, user("bob")).await;
    assert!(
        matches!(renewed, Err(SessionError::TimedOut)),
        "{renewed:?}"
    );
    // The store has made the renewal, and answers now.
    assert_eq!(found(&sessions, &token).await, None);
    store.renewals.add_permits(100);
    tokio::time::sleep(SECOND).await;
    let again = found(&sessions, &token).await.expect("the old session");
    assert_eq!((again.user(), session.is_current()), (Some("ada"), false));
    assert_eq!(sessions.count().await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_socket_of_an_ended_session_closes_if_another_process_began_one_under_its_key() {
    let application = sources::Application::default();
    let store = PausedStore::new();
    let new_process = || {
        let options = SessionOptions::default().store(store.clone());
        Sessions::new(options.source(application.clone()))
    };
    let (here, there) = (new_process(), new_process());
    application.set_session(Some(ForeignSession::new("one").user("ada")));
    let session = sources::find(&here).await.unwrap();
    let counting = Arc::new(sockets::CountingSocket::default());
    let weak = Arc::downgrade(&counting);
    let _attachment = session.attach(ConnectionId::new(1), weak);
    application.set_session(Some(ForeignSession::new("one").user("bob")));
    let bob = sources::find(&there).await.unwrap();
    tokio::time::sleep(IDLE / 4 + SECOND).await;
    assert_eq!((counting.closed(), session.is_current()), (1, false));
    assert!(bob.is_current());
}

#[tokio::test(start_paused = true)]
async fn a_handle_from_before_a_logon_in_another_process_changes_nothing() {
    let application = sources::Application::default();
    let store = PausedStore::new();
    let new_process = || {
        let options = SessionOptions::default().store(store.clone());
        Sessions::new(options.source(application.clone()))
    };
    let (here, there) = (new_process(), new_process());
    application.set_session(Some(ForeignSession::new("one")));
    let before = sources::find(&here).await.unwrap();
    application.set_session(Some(ForeignSession::new("one").user("ada")));
    let after = sources::find(&there).await.unwrap();
    let changed = before.insert("planted", &1).await.unwrap_err();
    assert!(matches!(changed, SessionError::Ended), "{changed}");
    assert!(!here.end(&before).await.unwrap());
    let again = sources::find(&there).await;
    assert_eq!(again.as_ref(), Some(&after));
    assert_eq!(after.get::<u8>("planted"), None);
}
