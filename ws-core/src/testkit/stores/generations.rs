//! Checks that calls for a session that was replaced under its key change nothing.

use futures::future::join_all;
use tokio::time::sleep;

use super::{LONG, SHORT, create, load, new_key, new_record, remove};
use crate::session::{SessionKey, SessionRecord, SessionStore};

/// Checks everything that depends on the generation of a session.
pub(super) async fn check(store: &impl SessionStore) {
    a_renewed_session_is_found_by_its_new_key_alone(store).await;
    one_of_several_concurrent_renewals_succeeds(store).await;
    calls_for_an_earlier_generation_change_nothing(store).await;
    calls_for_an_earlier_session_change_nothing(store).await;
}

/// Returns whether any call that names the generation of `record` changes the session under a key.
async fn changes(store: &impl SessionStore, key: SessionKey, record: &SessionRecord) -> bool {
    let generation = record.generation();
    let set = store.set(key, generation, "a", Some("1".to_owned())).await;
    let renewed = store.renew(key, generation, new_key(), None, LONG).await;
    let removed = store.remove_generation(key, generation).await;
    set.expect("`set` fails").is_some()
        || renewed.expect("`renew` fails").is_some()
        || removed.expect("`remove_generation` fails")
}

async fn calls_for_an_earlier_generation_change_nothing(store: &impl SessionStore) {
    let record = new_record(None);
    let key = create(store, record.clone(), LONG).await;
    let user = Some("suite-ada".to_owned());
    let renewed = store
        .renew(key, record.generation(), key, user, LONG)
        .await
        .expect("`renew` fails")
        .expect("a session to renew");
    assert!(
        !changes(store, key, &record).await,
        "a call for the session before a renewal changes the renewed one"
    );
    let contains = store.contains(key, record.id).await;
    assert!(
        contains.expect("`contains` fails"),
        "a renewal keeps the id"
    );
    let mut loaded = load(store, key).await.expect("the renewed session");
    loaded.age = renewed.age;
    assert_eq!(loaded, renewed);
    let removed = store.remove_generation(key, renewed.generation()).await;
    assert!(removed.expect("`remove_generation` fails"));
    assert_eq!(
        load(store, key).await,
        None,
        "a removed session still exists"
    );
    let removed = store.remove_generation(key, renewed.generation()).await;
    assert!(
        !removed.expect("`remove_generation` fails"),
        "a session is removed twice"
    );
}

async fn calls_for_an_earlier_session_change_nothing(store: &impl SessionStore) {
    let (earlier, record) = (new_record(Some("suite-ada")), new_record(Some("suite-bob")));
    let key = create(store, earlier.clone(), LONG).await;
    remove(store, key).await;
    let created = store.create(key, record.clone(), SHORT).await;
    assert!(created.expect("`create` fails"), "a free key is refused");
    assert!(
        !changes(store, key, &earlier).await,
        "a call for an earlier session changes the one under its key"
    );
    let contains = store.contains(key, earlier.id).await;
    assert!(!contains.expect("`contains` fails"), "another id is found");
    let touched = store.touch(key, earlier.id, LONG).await;
    assert!(!touched.expect("`touch` fails"), "another id is found");
    sleep(SHORT * 2).await;
    assert_eq!(
        load(store, key).await,
        None,
        "`touch` for an earlier session extends the one under its key"
    );
}

async fn a_renewed_session_is_found_by_its_new_key_alone(store: &impl SessionStore) {
    let mut record = new_record(None);
    record.set("cart", Some("3".to_owned()));
    let (old, new) = (create(store, record.clone(), LONG).await, new_key());
    sleep(SHORT).await;
    let user = Some("suite-ada".to_owned());
    let renewed = store
        .renew(old, record.generation(), new, user.clone(), LONG)
        .await
        .expect("`renew` fails");
    let renewed = renewed.expect("a session to renew");
    let assert_renewed = |is: &SessionRecord| {
        assert_eq!((is.id, &is.values), (record.id, &record.values));
        assert_eq!((is.renewals, &is.user), (record.renewals + 1, &user));
        assert_eq!(
            (is.version, is.page_secret),
            (record.version, record.page_secret)
        );
        assert!(is.age <= SHORT, "a renewed session is {:?} old", is.age);
    };
    assert_renewed(&renewed);
    assert_eq!(load(store, old).await, None, "the old key is still valid");
    assert_renewed(
        &load(store, new)
            .await
            .expect("the session under its new key"),
    );
    let again = store
        .renew(old, record.generation(), new_key(), None, LONG)
        .await
        .expect("`renew` fails");
    assert_eq!(again, None, "a session is renewed from an old key");
    // The key may stay the same: the source of an application may use one key throughout.
    let same = store
        .renew(new, renewed.generation(), new, None, LONG)
        .await
        .expect("`renew` fails");
    let same = same.expect("a session to renew");
    assert_eq!((same.renewals, same.user), (record.renewals + 2, None));
    let loaded = load(store, new)
        .await
        .expect("the session under the same key");
    assert_eq!(loaded.renewals, record.renewals + 2);
    let removed = store
        .remove_user("suite-ada")
        .await
        .expect("`remove_user` fails");
    assert_eq!(removed, [], "a session keeps its previous user");
    remove(store, new).await;
}

async fn one_of_several_concurrent_renewals_succeeds(store: &impl SessionStore) {
    let record = new_record(None);
    let generation = record.generation();
    let key = create(store, record, LONG).await;
    let other = new_record(None);
    let again = other.generation();
    let same = create(store, other, LONG).await;
    let keys: Vec<_> = (0..8).map(|_| new_key()).collect();
    // To other keys, and in place.
    for (from, generation, keys) in [(key, generation, keys), (same, again, vec![same; 8])] {
        let renewals = keys
            .iter()
            .map(|new| store.renew(from, generation, *new, None, LONG));
        let renewed = join_all(renewals).await.into_iter().flatten().flatten();
        assert_eq!(
            renewed.count(),
            1,
            "this many of eight calls renewed one session"
        );
        for key in keys {
            remove(store, key).await;
        }
    }
}
