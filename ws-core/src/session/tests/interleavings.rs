//! Calls that overlap, in many orders: every call of the store waits before and after it takes
//! effect, and the tests poll the calls by hand.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use futures::future::{join, maybe_done};
use tokio::time::{sleep, timeout};

use super::sources::{Application, find};
use super::*;

/// How often a test polls one call before it turns to the other: more often than any call has steps.
const MOST_POLLS: usize = 20;

/// How two calls overlap: the first is polled this often, then the second this often; then the first
/// ends, unless it waits for the second, and then the second.
type Order = (usize, usize);

fn orders() -> impl Iterator<Item = Order> {
    (0..=MOST_POLLS).flat_map(|first| (0..=MOST_POLLS).map(move |second| (first, second)))
}

/// Waits until it is polled again.
async fn step() {
    let mut polled = false;
    poll_fn(|cx| {
        cx.waker().wake_by_ref();
        if std::mem::replace(&mut polled, true) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}

#[derive(Clone)]
struct SteppedStore {
    memory: Arc<MemoryStore>,
    /// How long each step takes, or none: it is one poll.
    step: Option<Duration>,
}

wrapped_store!(SteppedStore);

impl SteppedStore {
    fn new() -> Self {
        Self {
            memory: Arc::new(MemoryStore::new(100)),
            step: None,
        }
    }

    async fn step(&self) {
        match self.step {
            Some(time) => sleep(time).await,
            None => step().await,
        }
    }

    async fn call<T>(
        &self,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        self.step().await;
        let result = call.await;
        self.step().await;
        result
    }

    fn sessions(&self) -> Sessions {
        Sessions::new(SessionOptions::default().store(self.clone()))
    }

    fn sessions_of(&self, application: &Application) -> Sessions {
        let options = SessionOptions::default().store(self.clone());
        Sessions::new(options.source(SteppedSource(application.clone())))
    }
}

/// An application whose answers take time.
struct SteppedSource(Application);

impl SessionSource for SteppedSource {
    async fn find(&self, headers: &HeaderMap) -> Result<Option<ForeignSession>, StoreError> {
        let answer = SessionSource::find(&self.0, headers).await;
        step().await;
        answer
    }

    async fn is_live(&self, key: &str) -> Result<bool, StoreError> {
        self.0.is_live(key).await
    }
}

/// Runs two calls in this order.
async fn in_order<A, B>(
    order: Order,
    first: impl Future<Output = A>,
    second: impl Future<Output = B>,
) -> (A, B) {
    let (mut first, mut second) = (pin!(maybe_done(first)), pin!(maybe_done(second)));
    for _ in 0..order.0 {
        let _ = futures::poll!(first.as_mut());
    }
    for _ in 0..order.1 {
        let _ = futures::poll!(second.as_mut());
    }
    for _ in 0..MOST_POLLS {
        let _ = futures::poll!(first.as_mut());
    }
    join(first.as_mut(), second.as_mut()).await;
    let outputs = first.take_output().zip(second.take_output());
    outputs.expect("both calls have ended")
}

/// Lets all tasks run until they wait for more than a step.
async fn run_tasks() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

/// The application's session, before and after this change of its user.
fn changes() -> impl Iterator<Item = [ForeignSession; 2]> {
    let users = [
        (None, Some("ada")),
        (Some("ada"), Some("bob")),
        (Some("ada"), None),
    ];
    users.into_iter().map(|(before, after)| {
        [before, after].map(|user| {
            let session = ForeignSession::new("one");
            match user {
                Some(user) => session.user(user),
                None => session,
            }
        })
    })
}

/// A store with a session of the application in the state before a change.
async fn stored(before: &ForeignSession) -> (SteppedStore, Application) {
    let (store, application) = (SteppedStore::new(), Application::default());
    application.set_session(Some(before.clone()));
    find(&store.sessions_of(&application)).await.unwrap();
    (store, application)
}

#[tokio::test(start_paused = true)]
async fn two_requests_after_a_change_of_the_user_share_one_new_session() {
    for [before, after] in changes() {
        for order in orders() {
            for processes in [1, 2] {
                let (store, application) = stored(&before).await;
                application.set_session(Some(after.clone()));
                let here = store.sessions_of(&application);
                let there = match processes {
                    1 => here.clone(),
                    _ => store.sessions_of(&application),
                };
                let (first, second) = in_order(order, find(&here), find(&there)).await;
                let (first, second) = (first.unwrap(), second.unwrap());
                let case = format_args!("{before:?} {processes} {order:?}");
                assert!(first.is_current() && second.is_current(), "{case}");
                assert_eq!(first.user(), after.user.as_deref(), "{case}");
                assert_eq!(first, second, "{case}");
                let renewals = u32::from(before.user.is_none());
                assert_eq!(first.renewals(), renewals, "one renewal wins: {case}");
                assert_eq!(find(&here).await, Some(first), "{case}");
                assert_eq!(store.memory.count().await.unwrap(), 1, "{case}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_a_change_of_the_user_overtakes_does_not_revert_it() {
    for [before, after] in changes() {
        for order in orders() {
            let (store, application) = stored(&before).await;
            let sessions = store.sessions_of(&application);
            let change_and_find = async {
                application.set_session(Some(after.clone()));
                find(&sessions).await
            };
            let (early, late) = in_order(order, find(&sessions), change_and_find).await;
            let case = format_args!("{before:?} {order:?}");
            let late = late.unwrap();
            assert!(late.is_current(), "{case}");
            assert_eq!(late.user(), after.user.as_deref(), "{case}");
            if let Some(early) = early.filter(Session::is_current) {
                assert_eq!(early, late, "{case}");
            }
            assert_eq!(find(&sessions).await, Some(late), "{case}");
            assert_eq!(store.memory.count().await.unwrap(), 1, "{case}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn one_of_two_logons_at_once_succeeds_and_replaces_the_key() {
    for order in orders() {
        let sessions = SteppedStore::new().sessions();
        let (session, old) = sessions.begin().await.unwrap();
        let ada = sessions.renew(&session, user("ada"));
        let bob = sessions.renew(&session, user("bob"));
        let (ada, bob) = in_order(order, ada, bob).await;
        assert!(ada.is_ok() != bob.is_ok(), "{order:?}");
        let (renewed, new) = ada.or(bob).unwrap();
        assert_eq!(found(&sessions, &new).await, Some(renewed), "{order:?}");
        assert_eq!(found(&sessions, &old).await, None, "{order:?}");
        assert!(
            sessions.has_replaced_key(&request_with(&old), false),
            "{order:?}"
        );
        assert_eq!(sessions.count().await.unwrap(), 1, "{order:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_either_ends_or_is_renewed() {
    for order in orders() {
        let sessions = SteppedStore::new().sessions();
        let (session, _) = sessions.begin().await.unwrap();
        let renewal = sessions.renew(&session, user("ada"));
        let (renewed, ended) = in_order(order, renewal, sessions.end(&session)).await;
        assert_eq!(renewed.is_ok(), !ended.unwrap(), "{order:?}");
        let live = renewed.is_ok_and(|(renewed, _)| renewed.is_current());
        assert_eq!(
            sessions.count().await.unwrap(),
            usize::from(live),
            "{order:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_logon_whose_future_is_dropped_leaves_the_old_session_or_the_new_one() {
    for polls in 0.. {
        let store = SteppedStore::new();
        let sessions = store.sessions();
        let (session, old) = sessions.begin().await.unwrap();
        session.insert("cart", &3).await.unwrap();
        let mut logon = Box::pin(sessions.renew(&session, user("ada")));
        let mut renewed = None;
        for _ in 0..polls {
            if let Poll::Ready(result) = futures::poll!(logon.as_mut()) {
                renewed = Some(result.unwrap());
                break;
            }
        }
        drop(logon);
        run_tasks().await;
        assert_eq!(
            store.memory.count().await.unwrap(),
            1,
            "after {polls} polls"
        );
        if let Some((renewed, new)) = renewed {
            assert_eq!(found(&sessions, &old).await, None);
            assert_eq!(found(&sessions, &new).await, Some(renewed));
            assert!(polls > 2, "the store was polled");
            return;
        }
        let again = found(&sessions, &old).await.expect("the old session");
        assert_eq!((again.user(), again.get("cart")), (None, Some(3)));
        assert!(!sessions.has_replaced_key(&request_with(&old), false));
        // The handle is of the session in the store, or no longer current.
        assert_eq!(
            session.is_current(),
            session == again,
            "after {polls} polls"
        );
        let (renewed, _) = sessions.renew(&again, user("ada")).await.unwrap();
        assert_eq!(
            (renewed.user(), renewed.get("cart")),
            (Some("ada"), Some(3))
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_logon_during_the_undo_of_another_does_not_revoke_the_old_key() {
    const MS: Duration = Duration::from_millis(1);
    for (waits, delay) in (0..4).flat_map(|waits| (0..12).map(move |delay| (waits, delay))) {
        let mut store = SteppedStore::new();
        let (_, old) = store.sessions().begin().await.unwrap();
        store.step = Some(4 * MS);
        let sessions = store.sessions();
        let session = found(&sessions, &old).await.expect("it has begun");
        let abandoned = timeout(
            waits * 2 * MS + MS / 2,
            sessions.renew(&session, user("ada")),
        );
        assert!(abandoned.await.is_err());
        let logon = {
            let (sessions, session) = (sessions.clone(), session.clone());
            tokio::spawn(async move {
                sleep(delay * 2 * MS + MS / 4).await;
                sessions.renew(&session, user("bob")).await
            })
        };
        let request = request_with(&old);
        for _ in 0..100 {
            // Otherwise this request would begin another session.
            let is_stored = store.memory.contains(old.key(), session.id()).await;
            let is_known = is_stored.unwrap() || sessions.has_replaced_key(&request, false);
            assert!(is_known, "{waits} {delay}");
            sleep(MS / 2).await;
        }
        match logon.await.unwrap() {
            Ok((renewed, new)) => {
                assert_eq!(found(&sessions, &new).await, Some(renewed));
                assert!(sessions.has_replaced_key(&request, false));
            }
            Err(error) => {
                assert!(matches!(error, SessionError::Ended), "{error:?}");
                assert!(found(&sessions, &old).await.is_some());
            }
        }
        assert_eq!(store.memory.count().await.unwrap(), 1);
    }
}
