//! Pages that are subscribed to topics.

use ws_server::page::PageSubscribeError;

use super::*;

fn counts() -> Topic<u64> {
    Topic::local("counts")
}

fn lines() -> Topic<String> {
    Topic::local("lines")
}

fn publish(kit: &TestKit, number: u64) -> usize {
    kit.hub().publish(counts(), &number).reached()
}

#[tokio::test(start_paused = true)]
async fn a_subscribed_page_gets_every_message_once_and_in_order_over_several_connections() {
    let (kit, visitor) = server().await;
    let page = visitor.page();
    page.subscribe("n", counts()).unwrap();
    assert_eq!(publish(&kit, 1), 1);
    let mut tab = Tab::of(&kit, &visitor, "/stream", &page).connected().await;
    publish(&kit, 2);
    page.push("n", &3_u64);
    publish(&kit, 4);
    assert_eq!(tab.received_so_far().await, numbers(1..=4));
    tab.disconnect().await;
    publish(&kit, 5);
    tokio::time::sleep(secs(10)).await;
    publish(&kit, 6);
    tab.connect().await.unwrap();
    publish(&kit, 7);
    assert_eq!(tab.received_so_far().await, numbers(5..=7));
}

#[tokio::test(start_paused = true)]
async fn the_data_of_an_event_is_the_value_as_json() {
    let (kit, visitor) = server().await;
    let page = visitor.page();
    page.subscribe("line", lines()).unwrap();
    let mut tab = Tab::of(&kit, &visitor, "/stream", &page).connected().await;
    kit.hub().publish(lines(), &"7".to_owned());
    assert_eq!(tab.received_so_far().await, [event("line", "7")]);
}

#[tokio::test(start_paused = true)]
async fn many_pages_share_a_message_and_each_has_its_own_name_for_it() {
    let (kit, visitor) = server().await;
    let (mut tabs, names) = (Vec::new(), ["n", "n", "other", "n"]);
    for name in names {
        let page = visitor.page();
        page.subscribe(name, counts()).unwrap();
        tabs.push(Tab::of(&kit, &visitor, "/stream", &page).connected().await);
    }
    assert_eq!(publish(&kit, 1), 4);
    for (tab, name) in tabs.iter_mut().zip(names) {
        assert_eq!(tab.received_so_far().await, [event(name, 1_u64)]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_is_subscribed_once_and_until_it_unsubscribes() {
    let (kit, visitor) = server().await;
    let page = visitor.page();
    let mut tab = Tab::of(&kit, &visitor, "/stream", &page).connected().await;
    page.subscribe("n", counts()).unwrap();
    page.subscribe("n", counts()).unwrap();
    assert_eq!(publish(&kit, 1), 1);
    assert!(page.unsubscribe(counts()));
    assert!(!page.unsubscribe(counts()));
    assert_eq!(publish(&kit, 2), 0);
    assert_eq!(tab.received_so_far().await, numbers([1]));
    page.subscribe("n", counts()).unwrap();
    publish(&kit, 3);
    assert_eq!(tab.received_so_far().await, numbers([3]));
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_page_ends_its_subscriptions() {
    let (kit, visitor) = server().await;
    let page = visitor.page();
    page.subscribe("n", counts()).unwrap();
    page.subscribe("line", lines()).unwrap();
    let mut tab = Tab::of(&kit, &visitor, "/stream", &page).connected().await;
    assert_eq!(kit.hub().subscriber_count(counts()), 1);
    tab.disconnect().await;
    tokio::time::sleep(PageLimits::DEFAULT.grace * 2).await;
    assert_eq!(kit.hub().page_count(), 0);
    assert_eq!(kit.hub().subscriber_count(counts()), 0);
    assert_eq!(publish(&kit, 1), 0);
    let ended = page.subscribe("n", counts());
    assert_eq!(ended, Err(PageSubscribeError::Ended));
    assert!(!page.unsubscribe(lines()));
}

#[tokio::test(start_paused = true)]
async fn the_subscriptions_of_a_page_are_limited() {
    let (kit, visitor) = served(PageLimits::DEFAULT.subscriptions(1)).await;
    let page = visitor.page();
    page.subscribe("n", counts()).unwrap();
    let refused = page.subscribe("line", lines());
    assert_eq!(refused, Err(PageSubscribeError::TooMany { max: 1 }));
    assert_eq!(kit.hub().subscriber_count(lines()), 0);
    assert!(page.unsubscribe(counts()));
    page.subscribe("line", lines()).unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_pages_of_a_topic_are_disconnected_with_it() {
    let (kit, visitor) = server().await;
    let page = visitor.page();
    page.subscribe("n", counts()).unwrap();
    let mut tab = Tab::of(&kit, &visitor, "/stream", &page).connected().await;
    let close = Close::new(CloseCode::POLICY, "removed by a moderator");
    assert_eq!(kit.hub().disconnect_topic(counts(), close), 1);
    assert_eq!(tab.client().closed().await.0, CloseCode::POLICY);
}

#[tokio::test(start_paused = true)]
async fn a_handle_from_before_a_logon_changes_no_subscription_of_the_page_after_it() {
    let (kit, mut visitor) = server().await;
    let before = visitor.page();
    before.subscribe("n", counts()).unwrap();
    visitor.logon("ada").await;
    // The page still belongs to the visitor from before the logon.
    before.subscribe("line", lines()).unwrap();
    let mut tab = Tab::of(&kit, &visitor, "/stream", &before)
        .connected()
        .await;
    assert!(!before.unsubscribe(counts()));
    assert_eq!(
        before.subscribe("other", Topic::<u64>::local("other")),
        Err(PageSubscribeError::Ended)
    );
    assert_eq!(publish(&kit, 1), 1);
    assert_eq!(tab.received_so_far().await, numbers([1]));
}
