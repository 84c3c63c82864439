//! A test suite for session stores and sources of sessions.

use std::net::IpAddr;
use std::time::Duration;

use futures::future::join_all;
use http::HeaderMap;
use tokio::time::sleep;

mod eviction;
mod generations;

pub use eviction::check_eviction;

use crate::session::{
    Newcomer, SessionKey, SessionRecord, SessionSource, SessionStore, SessionToken,
};

/// Longer than the suite takes.
const LONG: Duration = Duration::from_secs(5 * 60);

/// The time to live of sessions whose expiry the suite awaits. It is a whole second, because stores
/// may count in seconds.
const SHORT: Duration = Duration::from_secs(1);

fn new_key() -> SessionKey {
    SessionToken::new().expect("random numbers").key()
}

fn new_record(user: Option<&str>) -> SessionRecord {
    SessionRecord::new(user.map(str::to_owned)).expect("random numbers")
}

/// Runs the whole suite for a store.
///
/// The store may contain other sessions, but no other client may use it meanwhile. The suite
/// removes the sessions that it adds; its users have names that begin with `suite-`.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
/// #     .block_on(async {
/// use ws_server::{session::MemoryStore, testkit::stores::check_store};
///
/// check_store(&MemoryStore::new(1_000)).await;
/// # });
/// ```
///
/// # Panics
///
/// Panics if the store violates the contract of [`SessionStore`].
pub async fn check_store(store: &impl SessionStore) {
    a_created_session_is_loaded_unchanged(store).await;
    a_key_is_accepted_once(store).await;
    a_session_expires_after_its_last_time_to_live(store).await;
    each_change_of_a_value_has_the_next_version(store).await;
    concurrent_changes_are_all_kept(store).await;
    generations::check(store).await;
    a_removed_session_is_gone(store).await;
    only_the_sessions_of_a_user_are_removed(store).await;
    a_session_with_an_address_is_like_any_other(store).await;
}

async fn a_session_with_an_address_is_like_any_other(store: &impl SessionStore) {
    let newcomer = Newcomer::new(Some(IpAddr::from([203, 0, 113, 1])));
    let (key, record) = (new_key(), new_record(None));
    for expected in [true, false] {
        let created = store.create_for(key, record.clone(), LONG, newcomer).await;
        let created = created.expect("`create_for` fails");
        assert_eq!(created, expected, "`create_for` accepts a key once");
    }
    let mut loaded = load(store, key).await.expect("a session that was created");
    loaded.age = record.age;
    assert_eq!(loaded, record);
    remove(store, key).await;
    assert_eq!(
        load(store, key).await,
        None,
        "a removed session still exists"
    );
}

async fn create(store: &impl SessionStore, record: SessionRecord, ttl: Duration) -> SessionKey {
    let key = new_key();
    let created = store.create(key, record, ttl).await;
    assert!(created.expect("`create` fails"), "a new key is refused");
    key
}

async fn load(store: &impl SessionStore, key: SessionKey) -> Option<SessionRecord> {
    store.load(key, LONG).await.expect("`load` fails")
}

async fn remove(store: &impl SessionStore, key: SessionKey) {
    store.remove(key).await.expect("`remove` fails");
}

async fn a_created_session_is_loaded_unchanged(store: &impl SessionStore) {
    let mut record = new_record(Some("suite-ada"));
    record.set(
        "cart",
        Some(r#"{"apples":3,"name":"Zoë \"\u0000"}"#.to_owned()),
    );
    let before = store.count().await.expect("`count` fails");
    let key = create(store, record.clone(), LONG).await;
    let after = store.count().await.expect("`count` fails");
    assert_eq!(after, before + 1, "`count` must include a new session");
    let mut loaded = load(store, key).await.expect("a session that was created");
    assert!(loaded.age <= SHORT, "a new session is {:?} old", loaded.age);
    loaded.age = record.age;
    assert_eq!(loaded.values, record.values);
    assert_eq!(loaded, record);
    assert_eq!(
        load(store, new_key()).await,
        None,
        "an unknown key is found"
    );
    sleep(SHORT).await;
    let loaded = load(store, key).await.expect("a session that was created");
    assert!(
        loaded.age >= SHORT,
        "after {SHORT:?} it is {:?} old",
        loaded.age
    );
    remove(store, key).await;
}

async fn a_key_is_accepted_once(store: &impl SessionStore) {
    let first = new_record(Some("suite-first"));
    let key = create(store, first.clone(), LONG).await;
    let second = new_record(Some("suite-second"));
    let created = store
        .create(key, second, LONG)
        .await
        .expect("`create` fails");
    assert!(!created, "`create` accepts a key twice");
    let loaded = load(store, key).await.expect("the first session");
    assert_eq!(
        loaded.id, first.id,
        "the second session overwrites the first"
    );
    remove(store, key).await;
    // The same holds for concurrent calls.
    let attempts = (0..8).map(|_| store.create(key, new_record(None), LONG));
    let created = join_all(attempts).await.into_iter();
    let created = created
        .filter(|created| matches!(created, Ok(true)))
        .count();
    assert_eq!(
        created, 1,
        "this many of eight calls created a session under one key"
    );
    remove(store, key).await;
}

async fn a_session_expires_after_its_last_time_to_live(store: &impl SessionStore) {
    let (left, touched) = (new_record(None), new_record(None));
    let (left, left_id) = (create(store, left.clone(), SHORT).await, left.id);
    let loaded = create(store, new_record(None), SHORT).await;
    let (touched, record) = (create(store, touched.clone(), SHORT).await, touched);
    assert!(load(store, loaded).await.is_some());
    let touch = async |ttl| {
        store
            .touch(touched, record.id, ttl)
            .await
            .expect("`touch` fails")
    };
    let contains = async || {
        store
            .contains(left, left_id)
            .await
            .expect("`contains` fails")
    };
    assert!(touch(LONG).await, "`touch` does not find a session");
    assert!(contains().await, "`contains` does not find a session");
    sleep(SHORT * 2).await;
    let contains = contains().await;
    assert!(
        !contains,
        "`contains` extends a session, or sees an expired one"
    );
    assert_eq!(load(store, left).await, None, "a session outlives its ttl");
    assert!(
        load(store, loaded).await.is_some(),
        "`load` must set the ttl"
    );
    assert!(touch(SHORT).await, "`touch` must set the ttl");
    sleep(SHORT * 2).await;
    assert!(
        !touch(LONG).await,
        "`touch` revives a session, or cannot shorten its ttl"
    );
    let set = store
        .set(touched, record.generation(), "a", Some("1".to_owned()))
        .await
        .expect("`set` fails");
    assert_eq!(set, None, "`set` revives a session");
    remove(store, loaded).await;
}

async fn each_change_of_a_value_has_the_next_version(store: &impl SessionStore) {
    let record = new_record(None);
    let generation = record.generation();
    let key = create(store, record, LONG).await;
    let changes = [
        ("a", Some("1")),
        ("b", Some("2")),
        ("a", Some("3")),
        ("b", None),
        ("c", None),
    ];
    for (version, (name, value)) in (1..).zip(changes) {
        let value = value.map(str::to_owned);
        let set = store.set(key, generation, name, value).await;
        let set = set.expect("`set` fails");
        assert_eq!(set, Some(version), "the version after `{name}`");
    }
    let loaded = load(store, key).await.expect("a session");
    let values: Vec<_> = loaded
        .values
        .iter()
        .map(|(name, value)| (&**name, &**value))
        .collect();
    assert_eq!((values, loaded.version), (vec![("a", "3")], 5));
    let set = store.set(new_key(), generation, "a", None).await;
    assert_eq!(
        set.expect("`set` fails"),
        None,
        "`set` under an unknown key"
    );
    remove(store, key).await;
}

async fn concurrent_changes_are_all_kept(store: &impl SessionStore) {
    let record = new_record(None);
    let generation = record.generation();
    let key = create(store, record, LONG).await;
    let names: Vec<String> = (0..16).map(|number| format!("name {number}")).collect();
    let changes = names
        .iter()
        .map(|name| store.set(key, generation, name, Some("1".to_owned())));
    let mut versions: Vec<_> = join_all(changes)
        .await
        .into_iter()
        .flatten()
        .flatten()
        .collect();
    versions.sort_unstable();
    assert_eq!(
        versions,
        (1..=16).collect::<Vec<_>>(),
        "each change has a version of its own"
    );
    let loaded = load(store, key).await.expect("a session");
    assert_eq!(loaded.values.len(), names.len(), "a change is lost");
    remove(store, key).await;
}

async fn a_removed_session_is_gone(store: &impl SessionStore) {
    let record = new_record(None);
    let key = create(store, record.clone(), LONG).await;
    let before = store.count().await.expect("`count` fails");
    let removed = store.remove(key).await.expect("`remove` fails");
    assert_eq!(removed, Some(record.id));
    assert_eq!(store.count().await.expect("`count` fails"), before - 1);
    assert_eq!(
        load(store, key).await,
        None,
        "a removed session still exists"
    );
    let touched = store.touch(key, record.id, LONG).await;
    assert!(!touched.expect("`touch` fails"), "`touch` finds it");
    assert_eq!(store.remove(key).await.expect("`remove` fails"), None);
    let renewed = store
        .renew(key, record.generation(), new_key(), None, LONG)
        .await
        .expect("`renew` fails");
    assert_eq!(renewed, None, "a removed session can be renewed");
}

async fn only_the_sessions_of_a_user_are_removed(store: &impl SessionStore) {
    let (ada, bob) = (new_record(Some("suite-ada")), new_record(Some("suite-bob")));
    let first = create(store, ada.clone(), LONG).await;
    let other = create(store, bob, LONG).await;
    let visitor = new_record(None);
    let generation = visitor.generation();
    let anonymous = create(store, visitor, LONG).await;
    let later = new_key();
    let user = Some("suite-ada".to_owned());
    let renewed = store
        .renew(anonymous, generation, later, user, LONG)
        .await
        .expect("`renew` fails");
    let mut expected = vec![ada.id, renewed.expect("a session to renew").id];
    expected.sort_unstable();
    let mut removed = store
        .remove_user("suite-ada")
        .await
        .expect("`remove_user` fails");
    removed.sort_unstable();
    assert_eq!(removed, expected);
    assert_eq!(load(store, first).await, None);
    assert_eq!(load(store, later).await, None);
    assert!(
        load(store, other).await.is_some(),
        "another user's session was removed"
    );
    let again = store
        .remove_user("suite-ada")
        .await
        .expect("`remove_user` fails");
    assert_eq!(again, []);
    remove(store, other).await;
}

/// Checks the properties of an application's session source that admission relies on. `named` are
/// the headers of two requests of one session, `other` those of another session, and `nobody` those
/// of requests without a live session, such as hostile ones.
///
/// ```
/// use ws_server::{session::SessionSource, testkit::stores::check_source};
///
/// async fn check(source: impl SessionSource) {
///     let [ada, bob, forged] = ["sid=1", "sid=2", "sid=x"].map(|cookie| {
///         http::HeaderMap::from_iter([(http::header::COOKIE, cookie.parse().unwrap())])
///     });
///     check_source(&source, [&ada, &ada], &bob, &[forged]).await;
/// }
/// ```
///
/// # Panics
///
/// Panics if the source violates the contract of [`SessionSource`].
pub async fn check_source(
    source: &impl SessionSource,
    named: [&HeaderMap; 2],
    other: &HeaderMap,
    nobody: &[HeaderMap],
) {
    let mut found = Vec::new();
    for headers in [named[0], named[1], other] {
        let session = source.find(headers).await.expect("`find` fails");
        found.push(session.expect("`find` finds no session"));
    }
    assert!(found[0].key() == found[1].key(), "one session has two keys");
    assert!(
        found[0].key() != found[2].key(),
        "two sessions have one key"
    );
    assert!(!found[0].key().is_empty(), "a session has an empty key");
    for session in &found {
        let live = source
            .is_live(session.key())
            .await
            .expect("`is_live` fails");
        assert!(live, "a session that `find` finds is not live");
    }
    let none = source.find(&HeaderMap::new()).await.expect("`find` fails");
    assert!(none.is_none(), "a request without headers has a session");
    for (at, headers) in nobody.iter().enumerate() {
        let session = source.find(headers).await.expect("`find` fails");
        assert!(
            session.is_none(),
            "a request without a live session has one: number {at}"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::{ForeignSession, MemoryStore, StoreError, cookies};

    #[tokio::test(start_paused = true)]
    async fn the_memory_store_passes() {
        let store = MemoryStore::new(100);
        check_store(&store).await;
        assert_eq!(store.count().await.unwrap(), 0);
        check_eviction(&MemoryStore::new(20), 20).await;
    }

    struct ByCookie;

    impl SessionSource for ByCookie {
        async fn find(&self, headers: &HeaderMap) -> Result<Option<ForeignSession>, StoreError> {
            let name = cookies::value(headers, "app").filter(|name| name.starts_with("known-"));
            Ok(name.map(ForeignSession::new))
        }

        async fn is_live(&self, key: &str) -> Result<bool, StoreError> {
            Ok(key.starts_with("known-"))
        }
    }

    #[tokio::test]
    async fn a_source_by_cookie_passes() {
        let headers = |cookie: &'static str| {
            HeaderMap::from_iter([(http::header::COOKIE, http::HeaderValue::from_static(cookie))])
        };
        let (one, two) = (headers("app=known-1"), headers("a=b; app=known-1"));
        let nobody = [headers("app=unknown"), headers("app=known-1; app=known-2")];
        check_source(&ByCookie, [&one, &two], &headers("app=known-2"), &nobody).await;
    }
}
