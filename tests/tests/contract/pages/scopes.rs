//! The receivers of a push to a page, a session, a user, or everyone.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_push_reaches_only_its_scope() {
    let (kit, _) = server().await;
    // Two users, each with two browsers of two tabs each.
    let mut tabs = Vec::new();
    let mut pages = Vec::new();
    let mut browsers = Vec::new();
    for user in ["ada", "ada", "bob", "bob"] {
        let visitor = kit.user(user).await;
        for _ in 0..2 {
            let page = visitor.page();
            tabs.push(Tab::of(&kit, &visitor, "/stream", &page).connected().await);
            pages.push(page);
        }
        browsers.push(visitor);
    }
    assert_eq!(pages[2].push("page", &1), 1);
    assert_eq!(browsers[1].session().push("session", &1), 2);
    assert_eq!(kit.hub().user("ada").push("user", &1), 4);
    assert_eq!(kit.hub().user("ada").count(), 4);
    assert_eq!(kit.hub().user("eve").push("user", &1), 0);
    assert_eq!(kit.hub().broadcast("all", &1), 8);
    let mut receipts = Vec::new();
    for tab in &mut tabs {
        let got = tab.received_so_far().await;
        let names = got.iter().map(|got| match got {
            TabEvent::Event(name, _) => name.as_str(),
            other => panic!("{other:?}"),
        });
        receipts.push(names.collect::<Vec<_>>().join(" "));
    }
    let expected = [
        "user all",
        "user all",
        "page session user all",
        "session user all",
        "all",
        "all",
        "all",
        "all",
    ];
    assert_eq!(receipts, expected);
}

#[tokio::test(start_paused = true)]
async fn pushes_of_one_task_keep_their_order_whatever_their_scope() {
    let (kit, _) = server().await;
    let visitor = kit.user("ada").await;
    let page = visitor.page();
    let mut tab = Tab::of(&kit, &visitor, "/stream", &page).connected().await;
    for n in (0..40).step_by(4) {
        assert_eq!(kit.hub().broadcast("n", &n), 1);
        assert_eq!(page.push("n", &(n + 1)), 1);
        assert_eq!(kit.hub().user("ada").push("n", &(n + 2)), 1);
        assert_eq!(visitor.session().push("n", &(n + 3)), 1);
    }
    assert_eq!(tab.received_so_far().await, numbers(0..40));
}

#[tokio::test(start_paused = true)]
async fn a_value_that_cannot_be_encoded_is_not_pushed() {
    let (kit, visitor) = server().await;
    let mut tab = Tab::new(&kit, &visitor, "/stream").connected().await;
    let map = std::collections::BTreeMap::from([((1, 2), 3)]);
    assert_eq!(kit.hub().broadcast("map", &map), 0);
    assert_eq!(visitor.session().push("map", &map), 0);
    assert_eq!(tab.received_so_far().await, []);
}

#[tokio::test(start_paused = true)]
async fn a_socket_from_before_a_logon_gets_no_push_to_the_user_until_it_reconnects() {
    let (kit, mut visitor) = server().await;
    let page = visitor.page();
    let mut tab = Tab::of(&kit, &visitor, "/stream", &page).connected().await;
    let before = visitor.session().clone();
    visitor.logon("ada").await;
    let renewed = TabEvent::Other(json!({"type": "renewed"}));
    assert_eq!(tab.received_so_far().await, [renewed]);
    assert_eq!(kit.hub().user("ada").push("secret", &1), 0);
    assert_eq!(visitor.session().push("secret", &1), 0);
    assert_eq!(before.push("secret", &1), 0);
    assert_eq!(
        kit.hub().broadcast("all", &1),
        1,
        "everyone still includes this page"
    );
    assert_eq!(tab.received_so_far().await, [event("all", 1)]);
    // The old cookie is refused; with the new one the page belongs to the user.
    tab.disconnect().await;
    assert_eq!(tab.connect().await.unwrap_err().0, 403);
    tab.set_visitor(&visitor);
    tab.connect().await.unwrap();
    assert_eq!(kit.hub().user("ada").push("secret", &2), 1);
    assert_eq!(visitor.session().push("secret", &3), 1);
    assert_eq!(
        tab.received_so_far().await,
        [event("secret", 2), event("secret", 3)]
    );
}

#[tokio::test(start_paused = true)]
async fn a_push_to_a_page_skips_sockets_from_before_the_logon() {
    let (kit, mut visitor) = server().await;
    let planted = visitor.page();
    // The attacker who planted the session has its page open.
    let mut attacker = Tab::of(&kit, &visitor, "/stream", &planted)
        .connected()
        .await;
    visitor.logon("ada").await;
    let page = kit
        .hub()
        .find_page(visitor.session(), planted.id())
        .unwrap();
    assert_eq!(page.push("secret", &1), 1);
    let got = attacker.received_so_far().await;
    let renewed = TabEvent::Other(json!({"type": "renewed"}));
    let closed = TabEvent::Closed(1012, "the visitor has logged on".to_owned());
    assert_eq!(got, [renewed, closed]);
    assert_eq!(attacker.connect().await.unwrap_err().0, 403);
    let mut tab = Tab::of(&kit, &visitor, "/stream", &planted)
        .connected()
        .await;
    // It is not the script that had the page before, so it gets a reset.
    let reset = TabEvent::Reset("restart".to_owned());
    assert_eq!(tab.received_so_far().await, [reset, event("secret", 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_push_to_a_user_is_not_kept_for_the_next_user_of_the_session() {
    let (kit, mut visitor) = server().await;
    visitor.logon("ada").await;
    let page = visitor.page();
    assert_eq!(kit.hub().user("ada").push("secret", &1), 1);
    visitor.logon("eve").await;
    assert_eq!(kit.hub().user("ada").push("secret", &2), 0);
    let theirs = kit.hub().find_page(visitor.session(), page.id()).unwrap();
    assert_eq!((page.push("secret", &3), theirs.push("n", &4)), (1, 1));
    let mut tab = Tab::of(&kit, &visitor, "/stream", &page).connected().await;
    let reset = TabEvent::Reset("restart".to_owned());
    assert_eq!(tab.received_so_far().await, [reset, event("n", 4)]);
}

#[tokio::test(start_paused = true)]
async fn a_logoff_closes_all_pages_of_the_session() {
    let (kit, mut visitor) = server().await;
    let mut tabs = [
        Tab::new(&kit, &visitor, "/stream").connected().await,
        Tab::new(&kit, &visitor, "/stream").connected().await,
    ];
    let mut other = Tab::new(&kit, &kit.visitor().await, "/stream")
        .connected()
        .await;
    visitor.logoff().await;
    for tab in &mut tabs {
        let closed = TabEvent::Closed(4401, "the session has ended".to_owned());
        assert_eq!(tab.next().await, closed);
    }
    settle().await;
    assert_eq!(kit.hub().page_count(), 1);
    assert_eq!(kit.hub().broadcast("all", &1), 1);
    assert_eq!(other.received_so_far().await, [event("all", 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_two_servers_share_pushes_to_the_pages_of_both() {
    let (kit, visitor) = server().await;
    let sessions = kit.hub().sessions().clone();
    let second = TestKit::with_sessions(sessions);
    let second = second.with_table(Routes::table(), NoState).unwrap();
    let page = second.hub().open_page(visitor.session()).unwrap();
    let mut here = Tab::new(&kit, &visitor, "/stream").connected().await;
    let mut there = Tab::of(&second, &visitor, "/stream", &page)
        .connected()
        .await;
    assert_eq!(visitor.session().push("n", &1_u64), 2);
    assert_eq!(here.received_so_far().await, numbers([1]));
    assert_eq!(there.received_so_far().await, numbers([1]));
}

#[tokio::test(start_paused = true)]
async fn a_second_logon_of_the_same_user_also_separates_earlier_sockets() {
    let (kit, mut visitor) = server().await;
    visitor.logon("ada").await;
    let mut tab = Tab::new(&kit, &visitor, "/stream").connected().await;
    assert_eq!(kit.hub().user("ada").push("n", &1_u64), 1);
    visitor.logon("ada").await;
    assert_eq!(kit.hub().user("ada").push("n", &2_u64), 0);
    assert_eq!(kit.hub().user("ada").count(), 0);
    let renewed = TabEvent::Other(json!({"type": "renewed"}));
    assert_eq!(tab.received_so_far().await, [event("n", 1), renewed]);
}
