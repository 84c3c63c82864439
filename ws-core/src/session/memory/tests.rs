//! Which session a full store evicts, and that no data of it is left behind.

use super::*;

mod evictions;

const MINUTE: Duration = Duration::from_secs(60);

fn key(number: u8) -> SessionKey {
    SessionKey::of_foreign(&number.to_string())
}

async fn create(store: &MemoryStore, number: u8, user: Option<&str>) -> bool {
    let record = SessionRecord::new(user.map(str::to_owned)).unwrap();
    store.create(key(number), record, MINUTE).await.unwrap()
}

impl MemoryStore {
    /// The session under a key, which must exist.
    fn generation(&self, key: SessionKey) -> SessionGeneration {
        self.stored().sessions[&key].record.generation()
    }

    async fn touch_key(&self, key: SessionKey) -> bool {
        let id = self.stored().sessions.get(&key).map(|it| it.record.id);
        match id {
            Some(id) => self.touch(key, id, MINUTE).await.unwrap(),
            None => false,
        }
    }

    async fn renew_key(&self, old: SessionKey, new: SessionKey, user: Option<String>) -> bool {
        let generation = self.generation(old);
        let renewed = self.renew(old, generation, new, user, MINUTE).await;
        renewed.unwrap().is_some()
    }
}

async fn has(store: &MemoryStore, number: u8) -> bool {
    let stored = store.stored().sessions.contains_key(&key(number));
    stored && store.count().await.unwrap() > 0
}

#[tokio::test(start_paused = true)]
async fn a_full_store_evicts_the_oldest_session_whose_cookie_never_came_back() {
    let store = MemoryStore::new(3);
    for number in 1..=3 {
        assert!(create(&store, number, None).await);
    }
    assert!(store.touch_key(key(1)).await);
    assert!(create(&store, 4, None).await);
    let exists = [
        has(&store, 1).await,
        has(&store, 2).await,
        has(&store, 3).await,
    ];
    assert_eq!(exists, [true, false, true]);
    assert!(store.load(key(3), MINUTE).await.unwrap().is_some());
    assert!(store.touch_key(key(4)).await);
    let record = SessionRecord::new(None).unwrap();
    let full = store.create(key(5), record.clone(), MINUTE).await;
    assert_eq!(full.unwrap_err().to_string(), "the session store is full");
    // An expired session makes room.
    tokio::time::advance(MINUTE).await;
    assert!(store.create(key(5), record, MINUTE).await.unwrap());
    assert_eq!(store.count().await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_full_store_then_evicts_an_anonymous_session_idle_for_half_of_its_time() {
    let store = MemoryStore::new(3);
    for (number, user) in [(1, Some("ada")), (2, None), (3, None)] {
        create(&store, number, user).await;
        assert!(store.touch_key(key(number)).await);
        tokio::time::advance(MINUTE / 60).await;
    }
    let record = || SessionRecord::new(None).unwrap();
    let full = store.create(key(4), record(), MINUTE).await;
    assert!(matches!(full, Err(StoreError::Full)), "{full:?}");
    // The second was used, as by an open socket; the first has a user.
    tokio::time::advance(MINUTE / 4).await;
    assert!(store.touch_key(key(2)).await);
    tokio::time::advance(MINUTE / 3).await;
    assert!(store.create(key(4), record(), MINUTE).await.unwrap());
    let exists = [
        has(&store, 1).await,
        has(&store, 2).await,
        has(&store, 3).await,
    ];
    assert_eq!(exists, [true, true, false]);
    // All sessions that the eviction skipped still expire in time.
    tokio::time::advance(MINUTE).await;
    assert_eq!(store.count().await.unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn values_of_all_sessions_share_a_limit() {
    let store = MemoryStore::new(3).bytes(20);
    create(&store, 1, None).await;
    create(&store, 2, None).await;
    let set = async |number, name: &str, value: Option<&str>| {
        let (key, value) = (key(number), value.map(str::to_owned));
        store.set(key, store.generation(key), name, value).await
    };
    assert_eq!(set(1, "a", Some("123456789")).await.unwrap(), Some(1));
    assert_eq!(set(2, "a", Some("12345678")).await.unwrap(), Some(1));
    let full = set(2, "b", Some("1")).await;
    assert!(matches!(full, Err(StoreError::Full)), "{full:?}");
    // A smaller value is accepted, and a removed session makes room.
    assert_eq!(set(2, "a", Some("1")).await.unwrap(), Some(2));
    store.remove(key(1)).await.unwrap();
    assert_eq!(set(2, "b", Some("123456789012345")).await.unwrap(), Some(3));
    assert_eq!(store.stored().bytes, 18);
    assert!(store.renew_key(key(2), key(3), None).await);
    assert_eq!(store.stored().bytes, 18);
    assert_eq!(set(3, "b", None).await.unwrap(), Some(4));
    store.remove(key(3)).await.unwrap();
    assert_eq!(store.stored().bytes, 0);
}

#[tokio::test(start_paused = true)]
async fn a_renewed_session_is_not_evicted_for_a_newcomer() {
    let store = MemoryStore::new(1);
    create(&store, 1, None).await;
    let user = Some("ada".to_owned());
    assert!(store.renew_key(key(1), key(2), user).await);
    let record = SessionRecord::new(None).unwrap();
    let full = store.create(key(3), record, MINUTE).await;
    assert!(matches!(full, Err(StoreError::Full)), "{full:?}");
}

#[tokio::test(start_paused = true)]
async fn removed_sessions_leave_no_data() {
    let store = MemoryStore::new(10);
    create(&store, 1, Some("ada")).await;
    for number in 1..200 {
        let user = Some("ada".to_owned());
        let (old, new) = (key(number), key(number + 1));
        assert!(store.renew_key(old, new, user).await);
    }
    for number in 201..=250 {
        create(&store, number, None).await;
        store.remove(key(number)).await.unwrap();
    }
    {
        let stored = store.stored();
        assert_eq!((stored.sessions.len(), stored.by_user.len()), (1, 1));
        assert!(
            stored.expiry_queue.len() <= 2 + MAX_STALE_KEYS,
            "{}",
            stored.expiry_queue.len()
        );
        assert!(
            stored.unreturned.len() <= 2 + MAX_STALE_KEYS,
            "{}",
            stored.unreturned.len()
        );
    }
    assert_eq!(store.remove_user("ada").await.unwrap().len(), 1);
    assert!(store.stored().by_user.is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_expired_session_is_removed() {
    let store = MemoryStore::new(10);
    create(&store, 1, Some("ada")).await;
    create(&store, 2, None).await;
    tokio::time::advance(MINUTE / 2).await;
    assert!(store.touch_key(key(2)).await);
    tokio::time::advance(MINUTE / 2).await;
    assert_eq!(store.count().await.unwrap(), 1);
    assert!(store.stored().by_user.is_empty());
    tokio::time::advance(MINUTE / 2).await;
    assert_eq!(store.count().await.unwrap(), 0);
    assert!(store.stored().expiry_queue.is_empty());
}
