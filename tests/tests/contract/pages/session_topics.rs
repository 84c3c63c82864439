//! Sessions that are subscribed to topics.

use ws_server::session::SessionSubscribeError;
use ws_server::topic::{Position, SinceError};

use super::*;

topics! {
    /// The numbers of a counter.
    Counter: "counter/{id: u32}" => u64 { history: 10, keep: 10m };
}

fn publish(kit: &TestKit, number: u64) -> usize {
    let receipt = kit.hub().publish(Counter(1), &number);
    receipt.reached()
}

async fn connect(kit: &TestKit, visitor: &TestVisitor) -> Tab {
    Tab::new(kit, visitor, "/stream").connected().await
}

#[tokio::test(start_paused = true)]
async fn every_page_of_the_session_gets_the_events_and_later_pages_from_then_on() {
    let (kit, visitor) = server().await;
    let mut first = connect(&kit, &visitor).await;
    visitor.session().subscribe("n", Counter(1)).unwrap();
    visitor.session().subscribe("n", Counter(1)).unwrap();
    assert_eq!(publish(&kit, 1), 1);
    let mut second = connect(&kit, &visitor).await;
    let other = kit.visitor().await;
    let mut others = connect(&kit, &other).await;
    assert_eq!(publish(&kit, 2), 2);
    assert_eq!(first.received_so_far().await, numbers(1..=2));
    assert_eq!(second.received_so_far().await, numbers([2]));
    assert_eq!(others.received_so_far().await, []);
    // Complete over several connections.
    second.disconnect().await;
    publish(&kit, 3);
    second.connect().await.unwrap();
    assert_eq!(second.received_so_far().await, numbers([3]));
    assert!(visitor.session().unsubscribe(Counter(1)));
    assert!(!visitor.session().unsubscribe(Counter(1)));
    assert_eq!(publish(&kit, 4), 0);
    assert_eq!(publish(&kit, 5), 0, "also for pages that open later");
}

#[tokio::test(start_paused = true)]
async fn with_a_replay_each_page_gets_its_own_last_messages() {
    let (kit, visitor) = server().await;
    publish(&kit, 1);
    publish(&kit, 2);
    let mut first = connect(&kit, &visitor).await;
    visitor
        .session()
        .subscribe("n", Counter(1).replay(2))
        .unwrap();
    publish(&kit, 3);
    let mut second = connect(&kit, &visitor).await;
    publish(&kit, 4);
    assert_eq!(first.received_so_far().await, numbers(1..=4));
    assert_eq!(second.received_so_far().await, numbers(2..=4));
}

#[tokio::test(start_paused = true)]
async fn present_pages_continue_from_a_position_and_an_invalid_one_is_refused() {
    let (kit, visitor) = server().await;
    let hub = kit.hub();
    let position = hub.publish(Counter(1), &1).await.unwrap();
    publish(&kit, 2);
    let session = visitor.session();
    // Also while the session has no page.
    let invalid = Position::from_text("AAAA").unwrap();
    let refused = session.subscribe("n", Counter(1).since(invalid));
    assert_eq!(
        refused,
        Err(SessionSubscribeError::Since(SinceError::Invalid))
    );
    let mut first = connect(&kit, &visitor).await;
    session.subscribe("n", Counter(1).since(position)).unwrap();
    let mut second = connect(&kit, &visitor).await;
    publish(&kit, 3);
    assert_eq!(first.received_so_far().await, numbers(2..=3));
    assert_eq!(second.received_so_far().await, numbers([3]));
}

#[tokio::test(start_paused = true)]
async fn the_subscriptions_of_a_session_are_limited() {
    let (kit, visitor) = served(PageLimits::DEFAULT.session_subscriptions(1)).await;
    let session = visitor.session();
    session.subscribe("n", Counter(1)).unwrap();
    let refused = session.subscribe("n", Counter(2));
    assert_eq!(refused, Err(SessionSubscribeError::TooMany { max: 1 }));
    let page = visitor.page();
    page.subscribe("m", Counter(2)).unwrap();
    assert_eq!(kit.hub().subscriber_count(Counter(2)), 1);
    assert!(session.unsubscribe(Counter(1)));
    session.subscribe("n", Counter(2)).unwrap();
    assert_eq!(kit.hub().subscriber_count(Counter(2)), 2, "both");
}

#[tokio::test(start_paused = true)]
async fn the_subscriptions_end_with_the_session() {
    let (kit, mut visitor) = server().await;
    let session = visitor.session().clone();
    session.subscribe("n", Counter(1)).unwrap();
    let _tab = connect(&kit, &visitor).await;
    assert_eq!(kit.hub().subscriber_count(Counter(1)), 1);
    visitor.logoff().await;
    assert_eq!(kit.hub().subscriber_count(Counter(1)), 0);
    let refused = session.subscribe("n", Counter(1));
    assert_eq!(refused, Err(SessionSubscribeError::Ended));
    assert!(!session.unsubscribe(Counter(1)));
}

#[tokio::test(start_paused = true)]
async fn a_session_keeps_its_subscriptions_without_a_page_and_without_a_handle() {
    let (kit, visitor) = server().await;
    let cookie = visitor.cookie();
    visitor.session().subscribe("n", Counter(1)).unwrap();
    drop(visitor);
    tokio::time::sleep(secs(30 * 60)).await;
    let headers = http::HeaderMap::from_iter([(http::header::COOKIE, cookie.parse().unwrap())]);
    let find = async || kit.hub().sessions().find(&headers, false).await.unwrap();
    let session = find().await.unwrap();
    let page = kit.hub().open_page(&session).unwrap();
    assert_eq!(publish(&kit, 1), 1);
    drop((page, session));
    // The session ends of itself after an hour without a request.
    tokio::time::sleep(secs(2 * 60 * 60)).await;
    assert_eq!(find().await, None);
    assert_eq!(kit.hub().subscriber_count(Counter(1)), 0);
}

#[tokio::test(start_paused = true)]
async fn a_subscription_from_before_the_logon_stays_and_one_of_a_user_ends_with_the_user() {
    let (kit, mut visitor) = server().await;
    let mut early = connect(&kit, &visitor).await;
    let anonymous = visitor.session().clone();
    anonymous.subscribe("n", Counter(1)).unwrap();
    visitor.logon("ada").await;
    let refused = anonymous.subscribe("n", Counter(2));
    assert_eq!(refused, Err(SessionSubscribeError::Ended));
    visitor.session().subscribe("ada", Counter(2)).unwrap();
    let to_ada = |number: u64| kit.hub().publish(Counter(2), &number).reached();
    // The page of the earlier session does not get what is meant for the user.
    assert_eq!((publish(&kit, 1), to_ada(1)), (1, 0));
    let renewed = TabEvent::Other(json!({"type": "renewed"}));
    let [first] = &numbers([1])[..] else { panic!() };
    assert_eq!(early.received_so_far().await, [renewed, first.clone()]);
    early.disconnect().await;
    early.set_visitor(&visitor);
    early.connect().await.unwrap();
    assert_eq!((publish(&kit, 2), to_ada(2)), (1, 1));
    let expected = [event("n", 2_u64), event("ada", 2_u64)];
    assert_eq!(early.received_so_far().await, expected);
    // Another user of the same session.
    let ada = visitor.session().clone();
    visitor.logon("bob").await;
    assert!(!ada.is_current());
    assert_eq!(to_ada(3), 0, "also on a page that is still ada's");
    let mut tab = connect(&kit, &visitor).await;
    assert_eq!((publish(&kit, 4), to_ada(4)), (2, 0));
    assert_eq!(tab.received_so_far().await, numbers([4]));
}
