//! Checks which sessions a full store evicts.

use std::net::IpAddr;

use super::{LONG, load, new_key, new_record, remove};
use crate::session::{Newcomer, SessionStore};

/// Checks a store that holds at most `capacity` sessions, at least 8, and evicts some when it
/// is full: one address fills it, and visitors of other addresses get their sessions.
///
/// The store must be empty. The check removes what it adds.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
/// #     .block_on(async {
/// use ws_server::session::MemoryStore;
/// use ws_server::testkit::stores::check_eviction;
///
/// check_eviction(&MemoryStore::new(20), 20).await;
/// # });
/// ```
///
/// # Panics
///
/// Panics if the store refuses a visitor of another address, or evicts the session of a user or one
/// with an open socket.
pub async fn check_eviction(store: &impl SessionStore, capacity: usize) {
    let attacker = IpAddr::from([203, 0, 113, 1]);
    let with_socket = new_record(None);
    let protected = with_socket.id;
    let has_sockets = |id| id == protected;
    let at = |address| Newcomer::new(Some(address)).sockets(&has_sockets);
    let mut keys = vec![new_key(), new_key()];
    let of_user = new_record(Some("suite-ada"));
    for (key, record) in keys.iter().zip([with_socket, of_user]) {
        let created = store.create_for(*key, record, LONG, at(attacker)).await;
        assert!(created.expect("`create_for` fails"), "a new key is refused");
    }
    for _ in keys.len()..capacity {
        keys.push(new_key());
        let key = keys[keys.len() - 1];
        let created = store
            .create_for(key, new_record(None), LONG, at(attacker))
            .await;
        assert!(created.expect("`create_for` fails"), "a new key is refused");
        assert!(
            load(store, key).await.is_some(),
            "a new session was evicted"
        );
    }
    let mut visitors = Vec::new();
    for number in 0..capacity / 2 {
        // The attacker uses all of its sessions.
        for key in &keys[2..] {
            load(store, *key).await;
        }
        let visitor = IpAddr::from([198, 51, 100, u8::try_from(number % 250).unwrap_or(0)]);
        let key = new_key();
        let created = store
            .create_for(key, new_record(None), LONG, at(visitor))
            .await;
        assert!(
            matches!(created, Ok(true)),
            "a visitor was refused: {created:?}"
        );
        visitors.push(key);
        for key in &visitors {
            assert!(
                load(store, *key).await.is_some(),
                "a visitor's session was evicted"
            );
        }
    }
    let kept = load(store, keys[0]).await.is_some();
    assert!(kept, "a session with an open socket was evicted");
    let kept = load(store, keys[1]).await.is_some();
    assert!(kept, "the session of a user was evicted");
    for key in keys.into_iter().chain(visitors) {
        remove(store, key).await;
    }
}
