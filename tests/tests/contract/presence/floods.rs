//! Many members, many watchers, and members that enter and leave all the time.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_flood_of_enter_and_leave_is_at_most_one_event_per_tick() {
    let kit = TestKit::new();
    let [mut watcher, guest] = [connect(&kit).await, connect(&kit).await];
    watch(&watcher);
    let socket = guest.socket::<Guest>();
    let mut known = BTreeMap::new();
    let mut count = 0;
    for tick in 0..10 {
        for round in 0..100 {
            enter(&guest, "ada", &format!("{tick} {round}"));
            socket.leave(&Room(7));
        }
        enter(&guest, "ada", &format!("{tick} last"));
        // A little longer, so that the events are written too.
        tokio::time::sleep(TICK + Duration::from_millis(50)).await;
        for event in events(&mut watcher).await {
            apply(&mut known, event);
            count += 1;
        }
    }
    // The snapshot, the first change of the first tick, and one at the end of each.
    assert_eq!(count, 12);
    tokio::time::sleep(TICK).await;
    assert_eq!(known["ada"], member("9 last"));
    assert_eq!(members(&kit), [("ada".to_owned(), member("9 last"))]);
}

#[tokio::test(start_paused = true)]
async fn above_500_members_watchers_get_counts() {
    let kit = with_presence(PresenceLimits::DEFAULT.per_connection(1_000));
    let [mut watcher, guest] = [connect(&kit).await, connect(&kit).await];
    let socket = guest.socket::<Guest>();
    let key = |number: usize| format!("k{number:04}");
    for number in 0..500 {
        enter(&guest, &key(number), "x");
    }
    watch(&watcher);
    let Event::Snapshot { members, .. } = watcher.json().await else {
        panic!("a snapshot");
    };
    assert_eq!(members.len(), 500);
    let count = |count| MembersEvent::Count {
        topic: "room/7".to_owned(),
        count,
        stale: false,
    };
    enter(&guest, &key(500), "x");
    assert_eq!(watcher.json::<Event>().await, count(501));
    for number in 501..1_000 {
        enter(&guest, &key(number), "x");
    }
    let mut late = connect(&kit).await;
    watch(&late);
    // What the others know.
    assert_eq!(late.json::<Event>().await, count(501));
    for client in [&mut watcher, &mut late] {
        assert_eq!(client.json::<Event>().await, count(1_000));
    }
    assert_eq!(
        kit.hub().members_page(&Room(7), Some(&key(997)), 10).len(),
        2
    );
    for number in 400..1_000 {
        socket.leave_key(&Room(7), &key(number));
    }
    let Event::Snapshot { members, .. } = watcher.json().await else {
        panic!("a snapshot");
    };
    assert_eq!(members.len(), 400);
}

/// Ten thousand watchers of ten thousand members: the bytes grow with the sum, not the product.
#[tokio::test(start_paused = true)]
async fn many_watchers_of_many_members_get_few_bytes() {
    const WATCHERS: usize = 200;
    const MEMBERS: usize = 10_000;
    let presence = PresenceLimits::DEFAULT.per_connection(MEMBERS);
    let server = ServerLimits::DEFAULT.per_address(None).presence(presence);
    let kit = TestKit::with_limits(server);
    let builder = Journal::new().client::<Guest>(&kit);
    let builder = builder.limits(Limits::DEFAULT.subscriptions(MEMBERS));
    let guest = builder.connect().await.unwrap();
    let mut watchers = Vec::new();
    for _ in 0..WATCHERS {
        let watcher = connect(&kit).await;
        watch(&watcher);
        watchers.push(watcher);
    }
    for number in 0..MEMBERS {
        enter(&guest, &number.to_string(), "x");
        if number % 1_000 == 0 {
            tokio::time::sleep(TICK).await;
        }
    }
    tokio::time::sleep(TICK * 2).await;
    assert_eq!(kit.hub().member_count(&Room(7)), MEMBERS);
    for watcher in &mut watchers {
        let received = events(watcher).await;
        assert!(received.len() <= 13, "{} events", received.len());
        let sent: usize = received
            .iter()
            .map(|it| serde_json::to_string(it).unwrap().len())
            .sum();
        assert!(sent < 2_000, "{sent} bytes");
        let count = MembersEvent::Count {
            topic: "room/7".to_owned(),
            count: MEMBERS,
            stale: false,
        };
        assert_eq!(received.last(), Some(&count));
    }
}

/// Clients that enter, leave, watch and disconnect in every order: whoever watches knows in the
/// end what the hub knows.
#[tokio::test(start_paused = true)]
async fn watchers_know_the_members_whatever_the_order() {
    let kit = TestKit::new();
    let mut number = 1_u64;
    let mut random = move |below: u64| {
        number = number
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (number >> 33) % below
    };
    let mut clients = Vec::new();
    for _ in 0..6 {
        clients.push((connect(&kit).await, BTreeMap::new(), false));
    }
    for _ in 0..2_000 {
        let index = usize::try_from(random(6)).unwrap();
        let (client, known, watches) = &mut clients[index];
        let key = format!("k{}", random(5));
        match random(8) {
            0..3 => enter(client, &key, &random(3).to_string()),
            3 => drop(client.socket::<Guest>().leave_key(&Room(7), &key)),
            4 => {
                watch(client);
                *watches = true;
            }
            5 => {
                events(client)
                    .await
                    .into_iter()
                    .for_each(|it| apply(known, it));
                *watches &= !client.socket::<Guest>().unwatch(&Room(7));
                // Events that were queued before.
                events(client)
                    .await
                    .into_iter()
                    .for_each(|it| apply(known, it));
            }
            6 if random(4) == 0 => {
                client.end().await;
                clients[index] = (connect(&kit).await, BTreeMap::new(), false);
            }
            _ => {
                tokio::time::sleep(Duration::from_millis(random(700))).await;
                for (client, known, _) in &mut clients {
                    events(client)
                        .await
                        .into_iter()
                        .for_each(|it| apply(known, it));
                }
            }
        }
    }
    tokio::time::sleep(GONE).await;
    let all: BTreeMap<_, _> = members(&kit).into_iter().collect();
    for (client, known, watches) in &mut clients {
        events(client)
            .await
            .into_iter()
            .for_each(|it| apply(known, it));
        assert!(!*watches || *known == all, "{known:?} instead of {all:?}");
    }
}
