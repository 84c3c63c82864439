//! What a member, a connection and a watcher may have at most.

use super::*;

#[tokio::test(start_paused = true)]
async fn keys_and_members_have_limits() {
    let kit = TestKit::new();
    let guest = connect(&kit).await;
    let socket = guest.socket::<Guest>();
    let enter = |key: &str, name: &str| socket.try_enter(&Room(7), key, member(name));
    assert_eq!(enter("", "x"), Err(EnterError::InvalidKey { len: 0 }));
    let key = "k".repeat(257);
    assert_eq!(enter(&key, "x"), Err(EnterError::InvalidKey { len: 257 }));
    let name = "n".repeat(4_096);
    assert_eq!(
        enter("ada", &name),
        Err(EnterError::TooLarge { len: 4_107 })
    );
    assert_eq!(enter(&key[1..], &name[11..]), Ok(()));
    assert_eq!(kit.hub().member_count(&Room(7)), 1);
}

#[tokio::test(start_paused = true)]
async fn enter_closes_where_try_enter_fails() {
    let presence = PresenceLimits::DEFAULT.members(2);
    let kit = TestKit::with_limits(ServerLimits::DEFAULT.presence(presence));
    let [mut first, mut second] = [connect(&kit).await, connect(&kit).await];
    enter(&first, "a", "a");
    enter(&first, "b", "b");
    let third = second
        .socket::<Guest>()
        .try_enter(&Room(7), "c", member("c"));
    assert_eq!(third, Err(EnterError::TopicFull));
    // A member that is there already may change.
    enter(&second, "a", "A");
    assert!(second.socket::<Guest>().is_open());
    enter(&second, "c", "c");
    let (code, text) = second.closed().await;
    assert_eq!(
        (code.get(), &*text),
        (1013, "the topic could not be entered")
    );
    second.close(code, "").await;
    assert_eq!(second.terminated().await.cause, CloseCause::HookError);
    enter(&first, "", "nameless");
    assert_eq!(first.closed().await.0.get(), 1011);
}

#[tokio::test(start_paused = true)]
async fn entered_and_watched_topics_count_as_subscriptions() {
    let kit = TestKit::new();
    let builder = Journal::new().client::<Guest>(&kit);
    let builder = builder.limits(Limits::DEFAULT.subscriptions(3));
    let mut client = builder.connect().await.unwrap();
    let socket = client.socket::<Guest>();
    let enter = |room| socket.try_enter(&Room(room), "ada", member("ada"));
    assert_eq!([enter(7), enter(8)], [Ok(()), Ok(())]);
    socket.watch(&Room(7));
    assert_eq!(enter(9), Err(EnterError::TooManySubscriptions));
    assert_eq!(enter(8), Ok(()), "it has entered already");
    assert!(socket.leave(&Room(8)));
    assert_eq!(enter(9), Ok(()));
    client.json::<Event>().await;
    socket.watch(&Room(8));
    assert_eq!(client.closed().await.0.get(), 1011);
}

#[tokio::test(start_paused = true)]
async fn a_watcher_that_does_not_read_is_closed_with_1013() {
    let kit = TestKit::new();
    let builder = Journal::new().client::<Guest>(&kit).network_capacity(10);
    let builder = builder.limits(limits(|limits| limits.outbox_frames = 2));
    let mut slow = builder.connect().await.unwrap();
    let mut quick = connect(&kit).await;
    for client in [&slow, &quick] {
        watch(client);
    }
    for key in ["a", "b", "c", "d"] {
        enter(&quick, key, key);
        tokio::time::sleep(TICK).await;
    }
    assert_eq!(slow.json::<Event>().await, snapshot(&[]));
    let (code, text) = slow.closed().await;
    assert_eq!((code.get(), &*text), (1013, "too slow"));
    assert_eq!(quick.json::<Event>().await, snapshot(&[]));
    for key in ["a", "b", "c", "d"] {
        assert_eq!(quick.json::<Event>().await, entered(&[key]));
    }
}
