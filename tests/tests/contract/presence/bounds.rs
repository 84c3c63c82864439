//! What one client can do to the others of its topic.

use super::*;

#[tokio::test(start_paused = true)]
async fn members_that_are_too_large_to_list_close_no_watcher() {
    let kit = with_presence(PresenceLimits::DEFAULT.per_connection(400));
    let guest = connect(&kit).await;
    let name = "n".repeat(4_000);
    for number in 0..400 {
        enter(&guest, &number.to_string(), &name);
    }
    // Most of the outbox is taken already.
    let mut late = connect(&kit).await;
    let socket = late.socket::<Guest>();
    for _ in 0..9 {
        socket.send("x".repeat(100 << 10)).unwrap();
    }
    watch(&late);
    for _ in 0..9 {
        assert_eq!(late.text().await.len(), 100 << 10);
    }
    let count = |count| MembersEvent::Count {
        topic: "room/7".to_owned(),
        count,
        stale: false,
    };
    assert_eq!(late.json::<Event>().await, count(400));
    tokio::time::sleep(TICK).await;
    // A list of 256 KiB has room for 65 such members, and begins again when four fifths are left.
    for number in 53..400 {
        guest
            .socket::<Guest>()
            .leave_key(&Room(7), &number.to_string());
    }
    tokio::time::sleep(GONE).await;
    assert_eq!(late.json::<Event>().await, count(53));
    guest.socket::<Guest>().leave_key(&Room(7), "52");
    let Event::Snapshot { members, .. } = late.json().await else {
        panic!("a snapshot");
    };
    assert_eq!(members.len(), 52);
    assert!(socket.is_open());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_enters_under_new_keys_is_refused_before_its_topic_is_full() {
    let kit = with_presence(PresenceLimits::DEFAULT.members(1_000));
    let [flood, other] = [connect(&kit).await, connect(&kit).await];
    let socket = flood.socket::<Guest>();
    let mut refused = 0;
    for number in 0..70_000 {
        let key = number.to_string();
        match socket.try_enter(&Room(7), &key, member("x")) {
            Ok(()) => assert!(socket.leave(&Room(7))),
            Err(error) => {
                assert_eq!(error, EnterError::TooManyMembers);
                refused += 1;
            }
        }
    }
    assert_eq!(refused, 70_000 - 128);
    assert_eq!(kit.hub().member_count(&Room(7)), 128);
    enter(&other, "other", "other");
    assert!(other.socket::<Guest>().is_open());
    assert_eq!(kit.hub().member_count(&Room(7)), 129);
    tokio::time::sleep(GONE).await;
    assert_eq!(kit.hub().member_count(&Room(7)), 1);
    assert_eq!(socket.try_enter(&Room(7), "a", member("x")), Ok(()));
    // The same member again, or another value, is not another one.
    for name in ["y", "z"] {
        assert_eq!(socket.try_enter(&Room(7), "a", member(name)), Ok(()));
    }
}

#[tokio::test(start_paused = true)]
async fn the_members_of_all_topics_have_a_limit_in_bytes() {
    let kit = with_presence(PresenceLimits::DEFAULT.bytes(51_000));
    let [ada, bob] = [connect(&kit).await, connect(&kit).await];
    let name = "n".repeat(4_000);
    let enter = |client: &TestClient, room, key: &str, name: &str| {
        let socket = client.socket::<Guest>();
        socket.try_enter(&Room(room), key, member(name))
    };
    let entered = (0..20).map(|room| enter(&ada, room, "ada", &name));
    assert_eq!(entered.flatten().count(), 6);
    assert_eq!(enter(&bob, 0, "bob", "bob"), Ok(()));
    assert_eq!(enter(&bob, 0, "eve", &name), Err(EnterError::ServerFull));
    assert_eq!(enter(&ada, 0, "ada", "ada"), Ok(()));
    assert_eq!(enter(&bob, 0, "eve", &name[..100]), Ok(()));
}
