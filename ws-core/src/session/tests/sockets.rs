//! Sockets of a session: they hold it, and its end closes them.

use std::sync::Arc;

use super::*;

/// A socket that only counts how often its session has ended.
#[derive(Default)]
pub(super) struct CountingSocket(AtomicUsize);

impl CountingSocket {
    /// How often its session has ended.
    pub(super) fn closed(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl SessionSocket for CountingSocket {
    fn session_ended(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

struct TestSocket {
    counting: Arc<CountingSocket>,
    attachment: Attachment,
}

impl TestSocket {
    fn attach(session: &Session, number: u64) -> Self {
        let counting = Arc::new(CountingSocket::default());
        let weak = Arc::downgrade(&counting);
        let attachment = session.attach(ConnectionId::new(number), weak);
        Self {
            counting,
            attachment,
        }
    }

    fn closed(&self) -> usize {
        self.counting.closed()
    }
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_session_closes_its_sockets_and_those_from_before_a_logon_once() {
    let sessions = Sessions::default();
    let (before, _) = sessions.begin().await.unwrap();
    let (other, _) = sessions.begin().await.unwrap();
    let earlier = TestSocket::attach(&before, 1);
    let (after, _) = sessions.renew(&before, user("ada")).await.unwrap();
    let (own, foreign) = (TestSocket::attach(&after, 2), TestSocket::attach(&other, 3));
    assert_eq!(
        [earlier.closed(), own.closed(), foreign.closed()],
        [0, 0, 0]
    );
    assert!(sessions.end(&after).await.unwrap());
    assert_eq!(
        [earlier.closed(), own.closed(), foreign.closed()],
        [1, 1, 0]
    );
    let late = TestSocket::attach(&after, 4);
    assert_eq!(late.closed(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_user_closes_the_sockets_of_all_sessions_of_the_user() {
    let sessions = Sessions::default();
    let mut sockets = Vec::new();
    for (number, name) in [(1, "ada"), (2, "ada"), (3, "bob")] {
        let (session, _) = sessions.begin().await.unwrap();
        let (session, _) = sessions.renew(&session, user(name)).await.unwrap();
        sockets.push(TestSocket::attach(&session, number));
    }
    assert_eq!(sessions.end_user("ada").await.unwrap(), 2);
    let closed: Vec<_> = sockets.iter().map(TestSocket::closed).collect();
    assert_eq!(closed, [1, 1, 0]);
}

#[tokio::test(start_paused = true)]
async fn an_open_socket_keeps_its_session_and_idle_time_begins_when_it_closes() {
    let sessions = Sessions::default();
    let (session, token) = returned(&sessions).await;
    let (first, second) = (
        TestSocket::attach(&session, 1),
        TestSocket::attach(&session, 2),
    );
    tokio::time::sleep(IDLE * 10 + IDLE / 5).await;
    drop(first);
    tokio::time::sleep(IDLE * 2).await;
    assert!(found(&sessions, &token).await.is_some());
    tokio::time::sleep(IDLE / 5).await;
    drop(second);
    tokio::time::sleep(IDLE.saturating_sub(SECOND)).await;
    assert_eq!(sessions.count().await.unwrap(), 1);
    tokio::time::sleep(SECOND).await;
    assert_eq!(sessions.count().await.unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_socket_from_before_a_logon_does_not_keep_the_session_alive() {
    let sessions = Sessions::default();
    let (before, _) = sessions.begin().await.unwrap();
    let earlier = TestSocket::attach(&before, 1);
    let (_, token) = sessions.renew(&before, user("ada")).await.unwrap();
    tokio::time::sleep(IDLE).await;
    assert_eq!(found(&sessions, &token).await, None);
    drop(earlier.attachment);
}

#[tokio::test(start_paused = true)]
async fn a_socket_from_before_a_logon_stays_open_while_the_session_lives() {
    let sessions = Sessions::default();
    let (before, _) = returned(&sessions).await;
    let earlier = TestSocket::attach(&before, 1);
    let (after, _) = sessions.renew(&before, user("ada")).await.unwrap();
    let own = TestSocket::attach(&after, 2);
    tokio::time::sleep(IDLE * 3).await;
    assert_eq!([earlier.closed(), own.closed()], [0, 0]);
    assert!(after.is_current());
}

#[tokio::test(start_paused = true)]
async fn a_session_that_the_store_lost_closes_its_sockets() {
    let sessions = Sessions::default();
    let (session, token) = returned(&sessions).await;
    let socket = TestSocket::attach(&session, 1);
    sessions.store().remove(token.key()).await.unwrap();
    assert_eq!(socket.closed(), 0);
    tokio::time::sleep(IDLE / 4 + SECOND).await;
    assert_eq!(socket.closed(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_keeper_task_runs_only_while_there_are_sockets() {
    let sessions = Sessions::default();
    let tasks = || {
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks()
    };
    assert_eq!(tasks(), 0);
    for number in 0..3 {
        let (session, _) = sessions.begin().await.unwrap();
        let socket = TestSocket::attach(&session, number);
        assert_eq!(tasks(), 1);
        drop(socket);
        tokio::time::sleep(IDLE).await;
        assert_eq!(tasks(), 0);
    }
}

/// For example an attacker who planted the session: the visitor's browser does not know the socket.
#[tokio::test(start_paused = true)]
async fn a_socket_from_before_a_logon_does_not_outlive_the_session() {
    let sessions = Sessions::default();
    let (before, _) = returned(&sessions).await;
    let earlier = TestSocket::attach(&before, 1);
    let (after, token) = sessions.renew(&before, user("ada")).await.unwrap();
    drop(after);
    tokio::time::sleep(IDLE / 2).await;
    let renewed = found(&sessions, &token).await.unwrap();
    assert_eq!(renewed.user(), Some("ada"));
    drop(renewed);
    tokio::time::sleep(IDLE / 2).await;
    assert_eq!(earlier.closed(), 0);
    tokio::time::sleep(IDLE).await;
    assert_eq!((sessions.count().await.unwrap(), earlier.closed()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_full_store_evicts_no_session_with_an_open_socket() {
    let limits = SessionLimits {
        sessions: 3,
        ..SessionLimits::DEFAULT
    };
    let sessions = Sessions::new(SessionOptions::new(limits));
    let at = |last: u8| Some(std::net::IpAddr::from([203, 0, 113, last]));
    let mut tokens = Vec::new();
    for _ in 0..3 {
        let (begun, token) = sessions.begin_for(at(1)).await.unwrap();
        assert_eq!(found(&sessions, &token).await, Some(begun));
        tokens.push(token);
    }
    let session = found(&sessions, &tokens[0]).await.unwrap();
    let socket = TestSocket::attach(&session, 1);
    drop(session);
    // The others were used later, but are evicted nevertheless.
    for token in &tokens[1..] {
        found(&sessions, token).await.unwrap();
    }
    for newcomer in 2..=3 {
        let (begun, token) = sessions.begin_for(at(newcomer)).await.unwrap();
        assert_eq!(found(&sessions, &token).await, Some(begun));
        tokens.push(token);
    }
    let mut exists = Vec::new();
    for token in &tokens {
        exists.push(found(&sessions, token).await.is_some());
    }
    assert_eq!(exists, [true, false, false, true, true]);
    drop(socket);
    // Without its socket it is the least recently used session of its address, which holds no more
    // than others, so no session in use is evicted.
    let full = sessions.begin_for(at(4)).await.unwrap_err();
    assert!(matches!(full, SessionError::Full), "{full}");
    // A private address may be a proxy, whose visitors must not evict other sessions.
    let full = sessions.begin_for("10.0.0.1".parse().ok()).await;
    assert!(matches!(full, Err(SessionError::Full)), "{full:?}");
}
