//! The sessions of a server, from beginning to end.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::{HeaderMap, HeaderValue};

use super::*;
use crate::id::ConnectionId;
use crate::limits::SessionLimits;

/// Implements a store that passes each call of its memory store through its method `call`.
macro_rules! wrapped_store {
    ($store:ty) => {
        wrapped_store! { $store;
            fn create(key: SessionKey, record: SessionRecord, ttl: Duration) -> bool;
            fn load(key: SessionKey, ttl: Duration) -> Option<SessionRecord>;
            fn touch(key: SessionKey, id: SessionId, ttl: Duration) -> bool;
            fn contains(key: SessionKey, id: SessionId) -> bool;
            fn set(key: SessionKey, generation: SessionGeneration, name: &str,
                value: Option<String>) -> Option<u64>;
            fn renew(old: SessionKey, generation: SessionGeneration, new: SessionKey,
                user: Option<String>, ttl: Duration) -> Option<SessionRecord>;
            fn remove_generation(key: SessionKey, generation: SessionGeneration) -> bool;
            fn remove(key: SessionKey) -> Option<SessionId>;
            fn remove_user(user: &str) -> Vec<SessionId>;
            fn count() -> usize;
        }
    };
    ($store:ty; $(fn $name:ident($($argument:ident: $type:ty),*) -> $output:ty;)*) => {
        impl SessionStore for $store {
            $(async fn $name(&self $(, $argument: $type)*) -> Result<$output, StoreError> {
                self.call(self.memory.$name($($argument),*)).await
            })*
        }
    };
}

mod interleavings;
mod lookup;
mod races;
mod sockets;
mod sources;

const IDLE: Duration = SessionLimits::DEFAULT.idle;
const SECOND: Duration = Duration::from_secs(1);

/// The headers of a request with this cookie.
fn request_with(token: &SessionToken) -> HeaderMap {
    cookie("z_sid", &token.cookie_value())
}

fn cookie(name: &str, value: &str) -> HeaderMap {
    let value = HeaderValue::from_str(&format!("{name}={value}")).unwrap();
    HeaderMap::from_iter([(http::header::COOKIE, value)])
}

async fn found(sessions: &Sessions, token: &SessionToken) -> Option<Session> {
    sessions.find(&request_with(token), false).await.unwrap()
}

/// A session whose cookie came back.
async fn returned(sessions: &Sessions) -> (Session, SessionToken) {
    let (session, token) = sessions.begin().await.unwrap();
    assert_eq!(found(sessions, &token).await.as_ref(), Some(&session));
    (session, token)
}

/// A user in the format of a store.
#[expect(
    clippy::unnecessary_wraps,
    reason = "it is an argument that may be missing"
)]
fn user(name: &str) -> Option<String> {
    Some(name.to_owned())
}

#[tokio::test(start_paused = true)]
async fn a_session_is_found_by_its_cookie() {
    let sessions = Sessions::default();
    let (session, token) = sessions.begin().await.unwrap();
    assert_eq!(found(&sessions, &token).await, Some(session.clone()));
    let other = SessionToken::new().unwrap();
    assert_eq!(found(&sessions, &other).await, None);
    let without_cookie = sessions.find(&HeaderMap::new(), false).await.unwrap();
    assert_eq!(without_cookie, None);
    let text = token.cookie_value();
    for invalid in [&text[1..], &format!("{text}A"), &format!("\"{text}\""), ""] {
        let found = sessions
            .find(&cookie("z_sid", invalid), false)
            .await
            .unwrap();
        assert_eq!(found, None, "{invalid}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_cookie_has_another_name_over_tls() {
    let sessions = Sessions::default();
    let (session, token) = sessions.begin().await.unwrap();
    let value = token.cookie_value();
    let (plain, secure) = (cookie("z_sid", &value), cookie("__Host-z_sid", &value));
    let find = async |headers, is_secure| sessions.find(headers, is_secure).await.unwrap();
    assert_eq!(find(&secure, true).await, Some(session));
    assert_eq!(find(&plain, true).await, None);
    assert_eq!(find(&secure, false).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_session_lives_longer_once_its_cookie_came_back() {
    let sessions = Sessions::default();
    let first = sessions.limits().first_idle;
    let (_, never) = sessions.begin().await.unwrap();
    let (_, back) = sessions.begin().await.unwrap();
    tokio::time::advance(first.saturating_sub(SECOND)).await;
    assert!(found(&sessions, &back).await.is_some());
    tokio::time::advance(SECOND).await;
    assert_eq!(found(&sessions, &never).await, None);
    tokio::time::advance(IDLE.saturating_sub(SECOND * 2)).await;
    assert!(found(&sessions, &back).await.is_some());
    tokio::time::advance(IDLE).await;
    assert_eq!(found(&sessions, &back).await, None);
    assert_eq!(sessions.count().await.unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_session_ends_after_its_lifetime_despite_use() {
    let sessions = Sessions::default();
    let (_, token) = sessions.begin().await.unwrap();
    let mut hours = 0;
    while found(&sessions, &token).await.is_some() {
        tokio::time::advance(IDLE / 2).await;
        hours += 1;
    }
    assert_eq!(IDLE / 2 * hours, sessions.limits().lifetime);
    assert_eq!(sessions.count().await.unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn every_handle_and_the_next_request_see_new_values() {
    let sessions = Sessions::default();
    let (session, token) = sessions.begin().await.unwrap();
    let holder = found(&sessions, &token).await.unwrap();
    session
        .insert("cart", &vec!["apple", "pear"])
        .await
        .unwrap();
    assert_eq!(
        holder.get("cart"),
        Some(vec!["apple".to_owned(), "pear".to_owned()])
    );
    assert_eq!(holder.get::<u32>("cart"), None);
    assert_eq!(holder.get::<u32>("nothing"), None);
    drop((session, holder));
    let later = found(&sessions, &token).await.unwrap();
    assert_eq!(later.get::<Vec<String>>("cart").unwrap().len(), 2);
    later.remove("cart").await.unwrap();
    assert_eq!(later.get::<Vec<String>>("cart"), None);
}

#[tokio::test(start_paused = true)]
async fn the_next_request_sees_changes_of_another_process() {
    let sessions = Sessions::default();
    let (session, token) = sessions.begin().await.unwrap();
    session.insert("mine", &1).await.unwrap();
    let store = &sessions.store();
    let version = store
        .set(token.key(), session.live.generation(), "theirs", user("2"))
        .await
        .unwrap();
    assert_eq!(version, Some(2));
    session.insert("mine", &3).await.unwrap();
    assert_eq!(session.get::<u8>("theirs"), None);
    found(&sessions, &token).await.unwrap();
    assert_eq!(
        (session.get("mine"), session.get("theirs")),
        (Some(3), Some(2))
    );
}

#[tokio::test(start_paused = true)]
async fn values_above_the_limit_are_refused_and_change_nothing() {
    let limits = SessionLimits {
        values: 20,
        ..SessionLimits::DEFAULT
    };
    let sessions = Sessions::new(SessionOptions::new(limits));
    let (session, _) = sessions.begin().await.unwrap();
    // The name, quotes and ten letters.
    session.insert("name", "0123456789").await.unwrap();
    let large = session.insert("more", &1).await.unwrap_err();
    assert!(
        matches!(large, SessionError::TooLarge { limit: 20 }),
        "{large}"
    );
    session.insert("mor", &1).await.unwrap();
    session.insert("name", "abcdefghij").await.unwrap();
    let large = session.insert("name", "0123456789+").await.unwrap_err();
    assert!(matches!(large, SessionError::TooLarge { .. }), "{large}");
    assert_eq!(session.get("name"), user("abcdefghij"));
}

#[tokio::test(start_paused = true)]
async fn a_logon_invalidates_the_old_cookie_and_handle() {
    let sessions = Sessions::default();
    let (before, old) = sessions.begin().await.unwrap();
    before.insert("cart", &3).await.unwrap();
    let (after, new) = sessions.renew(&before, user("ada")).await.unwrap();
    after.insert("secret", "of ada").await.unwrap();
    assert_eq!(found(&sessions, &old).await, None);
    assert_eq!(found(&sessions, &new).await, Some(after.clone()));
    assert_eq!((after.user(), after.get("cart")), (Some("ada"), Some(3)));
    assert_ne!(after.id(), before.id());
    assert_ne!(after, before);
    assert_eq!(
        (before.user(), before.get::<String>("secret")),
        (None, None)
    );
    assert!(!before.is_current());
    let changed = before.insert("cart", &4).await.unwrap_err();
    assert!(matches!(changed, SessionError::Ended), "{changed}");
    let again = sessions.renew(&before, user("mallory")).await.unwrap_err();
    assert!(matches!(again, SessionError::Ended), "{again}");
    assert!(!sessions.end(&before).await.unwrap());
    assert_eq!((after.is_current(), after.get("cart")), (true, Some(3)));
}

#[tokio::test(start_paused = true)]
async fn an_ended_session_cannot_be_found_or_changed() {
    let sessions = Sessions::default();
    let (session, token) = sessions.begin().await.unwrap();
    assert!(sessions.end(&session).await.unwrap());
    assert_eq!(found(&sessions, &token).await, None);
    assert!(!session.is_current());
    let changed = session.insert("a", &1).await.unwrap_err();
    assert!(matches!(changed, SessionError::Ended), "{changed}");
    assert!(!sessions.end(&session).await.unwrap());
    assert_eq!(sessions.count().await.unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn ending_a_user_ends_only_the_sessions_of_that_user() {
    let sessions = Sessions::default();
    let mut tokens = Vec::new();
    for name in [Some("ada"), Some("ada"), Some("bob"), None] {
        let (session, token) = sessions.begin().await.unwrap();
        let Some(name) = name else {
            tokens.push(token);
            continue;
        };
        tokens.push(sessions.renew(&session, user(name)).await.unwrap().1);
    }
    assert_eq!(sessions.end_user("ada").await.unwrap(), 2);
    let mut left = Vec::new();
    for token in &tokens {
        left.push(found(&sessions, token).await.is_some());
    }
    assert_eq!(left, [false, false, true, true]);
    assert_eq!(sessions.end_user("ada").await.unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn dropped_handles_are_forgotten() {
    let sessions = Sessions::default();
    let (session, token) = sessions.begin().await.unwrap();
    let (renewed, _) = sessions.renew(&session, None).await.unwrap();
    assert_eq!(sessions.handle_count(), 2);
    drop(session);
    assert_eq!(sessions.handle_count(), 1);
    drop((renewed, token));
    assert_eq!(sessions.handle_count(), 0);
}

#[test]
fn debug_output_hides_secrets() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    runtime.unwrap().block_on(async {
        let sessions = Sessions::default();
        let (session, token) = sessions.begin().await.unwrap();
        session.insert("password", "hunter2").await.unwrap();
        let (session, _) = sessions
            .renew(&session, user("ada@example.com"))
            .await
            .unwrap();
        let record = SessionRecord::new(user("ada@example.com")).unwrap();
        let foreign = ForeignSession::new("hunter2").user("ada@example.com");
        let output = format!("{sessions:?} {session:?} {token:?} {record:?} {foreign:?}");
        for secret in ["hunter2", "ada", &token.cookie_value()] {
            assert!(!output.contains(secret), "{secret}: {output}");
        }
    });
}
