//! A full store: an address pays for its own sessions, and users and open sockets lose nothing.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::prelude::*;

use super::*;

fn address(number: u8) -> IpAddr {
    IpAddr::from([203, 0, 113, number])
}

fn session_key(number: usize) -> SessionKey {
    SessionKey::of_foreign(&number.to_string())
}

/// Begins a session. Returns its id; `None` if the store is full.
async fn begin(store: &MemoryStore, number: usize, newcomer: Newcomer<'_>) -> Option<SessionId> {
    let record = SessionRecord::new(None).unwrap();
    let id = record.id;
    match store
        .create_for(session_key(number), record, MINUTE, newcomer)
        .await
    {
        Ok(created) => created.then_some(id),
        Err(StoreError::Full) => None,
        Err(error) => panic!("{error}"),
    }
}

async fn touch(store: &MemoryStore, number: usize) -> bool {
    store.touch_key(session_key(number)).await
}

/// A store for 100 sessions that one address has filled, with the numbers of its sessions.
async fn filled_by(attacker: IpAddr) -> (MemoryStore, Vec<usize>) {
    let store = MemoryStore::new(100);
    for number in 0..100 {
        let attacker = Newcomer::new(Some(attacker));
        begin(&store, number, attacker).await.unwrap();
        assert!(touch(&store, number).await);
    }
    (store, (0..100).collect())
}

#[tokio::test(start_paused = true)]
async fn an_address_that_fills_the_store_does_not_lock_out_others() {
    let attacker = address(1);
    let (store, mut attacking) = filled_by(attacker).await;
    for visitor in 0..40 {
        let number = 1000 + visitor;
        let from = address(100 + u8::try_from(visitor % 20).unwrap());
        let begun = begin(&store, number, Newcomer::new(Some(from))).await;
        assert!(begun.is_some(), "visitor {visitor} is refused");
        // The attacker uses its sessions, and begins another one.
        for number in &attacking {
            touch(&store, *number).await;
        }
        let another = 2000 + visitor;
        let newcomer = Newcomer::new(Some(attacker));
        begin(&store, another, newcomer).await.unwrap();
        attacking.push(another);
        // The cookies come back.
        for number in 1000..=1000 + visitor {
            assert!(touch(&store, number).await, "visitor {number} is evicted");
        }
        tokio::time::advance(MINUTE / 100).await;
    }
    let stored = store.stored();
    assert_eq!(stored.anonymous.count(ClientNetwork::of(attacker)), 60);
    assert_eq!(
        (stored.sessions.len(), stored.anonymous.networks()),
        (100, 21)
    );
}

#[tokio::test(start_paused = true)]
async fn an_address_loses_its_least_recently_used_sessions() {
    let (store, _) = filled_by(address(1)).await;
    tokio::time::advance(MINUTE / 60).await;
    for number in 0..10 {
        assert!(touch(&store, number).await);
    }
    for from in [2, 1] {
        let newcomer = Newcomer::new(Some(address(from)));
        let begun = begin(&store, 1000 + usize::from(from), newcomer).await;
        begun.unwrap();
    }
    let mut evicted = Vec::new();
    for number in 0..100 {
        let exists = store
            .load(session_key(number), MINUTE)
            .await
            .unwrap()
            .is_some();
        evicted.extend((!exists).then_some(number));
    }
    assert_eq!(evicted, [10, 11]);
}

#[tokio::test(start_paused = true)]
async fn sessions_of_users_and_sessions_with_sockets_are_not_evicted() {
    let attacker = Newcomer::new(Some(address(1)));
    let store = MemoryStore::new(4);
    let with_socket = begin(&store, 0, attacker).await.unwrap();
    let has_sockets = |id| id == with_socket;
    for number in 1..4 {
        begin(&store, number, attacker).await.unwrap();
    }
    let user = Some("ada".to_owned());
    assert!(store.renew_key(session_key(1), session_key(11), user).await);
    for number in [0, 11, 2, 3] {
        assert!(touch(&store, number).await);
    }
    let newcomer = |number| Newcomer::new(Some(address(number))).sockets(&has_sockets);
    begin(&store, 20, newcomer(2)).await.unwrap();
    begin(&store, 21, newcomer(3)).await.unwrap();
    for number in [0, 11, 20, 21] {
        assert!(touch(&store, number).await, "session {number} is evicted");
    }
    // Each address holds one session now, and uses it.
    assert_eq!(begin(&store, 22, newcomer(4)).await, None);
    tokio::time::advance(MINUTE * 3 / 4).await;
    for number in [20, 21] {
        assert!(touch(&store, number).await);
    }
    // The sessions that were idle for half of their time belong to a user or have a socket.
    assert_eq!(begin(&store, 22, newcomer(4)).await, None);
    assert!(touch(&store, 0).await && touch(&store, 11).await);
}

#[tokio::test(start_paused = true)]
async fn a_new_session_of_a_user_is_not_evicted() {
    let store = MemoryStore::new(2);
    create(&store, 1, Some("ada")).await;
    create(&store, 2, Some("bob")).await;
    let newcomer = Newcomer::new(Some(address(1)));
    assert_eq!(begin(&store, 3, newcomer).await, None);
    assert!(has(&store, 1).await && has(&store, 2).await);
}

#[tokio::test(start_paused = true)]
async fn visitors_of_unknown_addresses_keep_the_sessions_that_they_use() {
    let without_address = Newcomer::new(None);
    let store = MemoryStore::new(10);
    for number in 0..8 {
        begin(&store, number, without_address).await.unwrap();
        assert!(touch(&store, number).await);
    }
    let known = Newcomer::new(Some(address(1)));
    for number in [8, 9] {
        begin(&store, number, known).await.unwrap();
        assert!(touch(&store, number).await);
    }
    // The address that holds two sessions pays for its third.
    begin(&store, 10, known).await.unwrap();
    assert!(touch(&store, 10).await);
    // Eight sessions of unknown addresses must not evict one of two.
    assert_eq!(begin(&store, 11, without_address).await, None);
    for number in [0, 1, 2, 3, 4, 5, 6, 7, 9, 10] {
        assert!(touch(&store, number).await, "session {number} is evicted");
    }
}

#[tokio::test(start_paused = true)]
async fn a_newcomer_costs_a_bounded_number_of_checks() {
    const MANY: usize = 5_000;
    let store = MemoryStore::new(MANY);
    for number in 0..MANY {
        let from = address(u8::try_from(number % 7).unwrap());
        begin(&store, number, Newcomer::new(Some(from)))
            .await
            .unwrap();
        assert!(touch(&store, number).await);
    }
    let checks = AtomicUsize::new(0);
    let has_sockets = |_| {
        checks.fetch_add(1, Ordering::Relaxed);
        true
    };
    let newcomer = Newcomer::new(Some(address(99))).sockets(&has_sockets);
    assert_eq!(begin(&store, MANY, newcomer).await, None);
    let checks = checks.into_inner();
    assert!((1..=2 * 256).contains(&checks), "{checks}");
}

#[derive(Clone, Copy, Debug)]
enum StoreOperation {
    /// From one of four addresses, or from an unknown one.
    Begin(u8),
    Touch(prop::sample::Index),
    Logon(prop::sample::Index),
    Anonymous(prop::sample::Index),
    Remove(prop::sample::Index),
    Socket(prop::sample::Index),
    EndUser,
    Wait(u8),
}

fn operation() -> impl Strategy<Value = StoreOperation> {
    let at = any::<prop::sample::Index>;
    prop_oneof![
        8 => (0..5_u8).prop_map(StoreOperation::Begin),
        8 => at().prop_map(StoreOperation::Touch),
        1 => at().prop_map(StoreOperation::Logon),
        1 => at().prop_map(StoreOperation::Anonymous),
        1 => at().prop_map(StoreOperation::Remove),
        1 => at().prop_map(StoreOperation::Socket),
        1 => Just(StoreOperation::EndUser),
        3 => (1..30_u8).prop_map(StoreOperation::Wait),
    ]
}

/// The expected accounting, computed from the sessions.
fn check_counts(
    store: &MemoryStore,
) -> BTreeMap<SessionKey, (SessionId, bool, Option<ClientNetwork>)> {
    let stored = store.stored();
    let mut expected: BTreeMap<ClientNetwork, u32> = BTreeMap::new();
    let mut without_address = 0;
    let mut all = BTreeMap::new();
    for (key, entry) in &stored.sessions {
        let anonymous = entry.record.user.is_none();
        match entry.network.filter(|_| anonymous) {
            Some(network) => *expected.entry(network).or_default() += 1,
            None => without_address += u32::from(anonymous),
        }
        assert_eq!(
            entry.position.is_some(),
            anonymous && entry.network.is_some()
        );
        all.insert(*key, (entry.record.id, anonymous, entry.network));
    }
    assert_eq!(stored.without_address, without_address);
    assert_eq!(stored.anonymous.networks(), expected.len());
    for (network, count) in expected {
        assert_eq!(stored.anonymous.count(network), count);
    }
    all
}

async fn run(steps: Vec<StoreOperation>) {
    const CAPACITY: usize = 8;
    let store = MemoryStore::new(CAPACITY);
    let mut sockets: Vec<SessionId> = Vec::new();
    for (number, step) in steps.into_iter().enumerate() {
        let before = check_counts(&store);
        let keys: Vec<_> = before.keys().copied().collect();
        let pick = |at: prop::sample::Index| (!keys.is_empty()).then(|| keys[at.index(keys.len())]);
        match step {
            StoreOperation::Begin(from) => {
                let from = (from > 0).then(|| address(from));
                let own = from.map(ClientNetwork::of);
                let has_sockets = |id| sockets.contains(&id);
                let newcomer = Newcomer::new(from).sockets(&has_sockets);
                let begun = begin(&store, number, newcomer).await;
                let after = check_counts(&store);
                assert_eq!(begun.is_some(), after.contains_key(&session_key(number)));
                let evicted: Vec<_> = before
                    .iter()
                    .filter(|it| !after.contains_key(it.0))
                    .collect();
                let full = before.len() == CAPACITY;
                assert_eq!(evicted.len(), usize::from(full && begun.is_some()));
                let count = |of| {
                    let all = before.values();
                    all.filter(|(_, anonymous, network)| *anonymous && *network == of)
                        .count()
                };
                for (_, (id, anonymous, _)) in &evicted {
                    assert!(*anonymous && !sockets.contains(id), "{id} is evicted");
                }
                if begun.is_none() {
                    // An address with an evictable session holds at most as many as the newcomer's
                    // would, and the newcomer's own address has no evictable session.
                    for (id, anonymous, network) in before.values() {
                        if *anonymous && network.is_some() && !sockets.contains(id) {
                            assert!(count(*network) <= count(own) + 1);
                            assert!(*network != own);
                        }
                    }
                }
            }
            StoreOperation::Touch(at) => {
                if let Some(key) = pick(at) {
                    assert!(store.touch_key(key).await);
                }
            }
            StoreOperation::Logon(at) | StoreOperation::Anonymous(at) => {
                let user = matches!(step, StoreOperation::Logon(_)).then(|| "ada".to_owned());
                if let Some(key) = pick(at) {
                    assert!(store.renew_key(key, session_key(number), user).await);
                }
            }
            StoreOperation::Remove(at) => {
                if let Some(key) = pick(at) {
                    assert!(store.remove(key).await.unwrap().is_some());
                }
            }
            StoreOperation::Socket(at) => sockets.extend(pick(at).map(|key| before[&key].0)),
            StoreOperation::EndUser => {
                let users = before.values().filter(|it| !it.1).count();
                assert_eq!(store.remove_user("ada").await.unwrap().len(), users);
            }
            StoreOperation::Wait(seconds) => {
                tokio::time::advance(Duration::from_secs(seconds.into())).await;
            }
        }
        assert!(check_counts(&store).len() <= CAPACITY);
    }
}

proptest! {
    #[test]
    fn the_counts_match_the_sessions_after_any_operations(steps in prop::collection::vec(operation(), 0..150)) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(run(steps));
    }
}
