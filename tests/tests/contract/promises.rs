//! The promises about messages, pages and members in one process. The tests of `cluster` are those
//! of several servers.
//!
//! | promise | tests |
//! |---|---|
//! | an accepted publish reaches every subscriber once, in one order per topic | `promises::an_accepted_publish_reaches_every_subscriber_once_and_in_one_order` |
//! | so does a publish that is not awaited | `promises::a_publish_that_is_not_awaited_reaches_every_subscriber` |
//! | publishes of one task to several topics keep their order | `promises::publishes_of_one_task_to_several_topics_keep_their_order` |
//! | so do pushes of one task, whatever their scope | `pages::scopes::pushes_of_one_task_keep_their_order_whatever_their_scope` |
//! | so do `send` and `publish` of one task | `promises::send_and_publish_of_one_task_keep_their_order` |
//! | a topic with `relay: live` reaches the connected subscribers | `promises::a_live_topic_reaches_connected_subscribers_only` |
//! | a page that returns gets what it has missed once, until the process ends | `pages::topics::a_subscribed_page_gets_every_message_once_and_in_order_over_several_connections`, `pages::recovery::*`, `pages::random::*` |
//! | messages from a page are taken once | `pages::messages_of_a_page_reach_the_application_once_and_in_order` |
//! | a handler with `attach: page` lives as long as the page | `pages::handlers::*` |
//! | presence is exact | `presence::watchers_know_the_members_whatever_the_order`, `presence::every_end_of_a_connection_leaves` |
//! | the end of a session closes its sockets at once | `pages::scopes::a_logoff_closes_all_pages_of_the_session`, `pages::handlers::the_end_of_the_session_ends_the_handler_and_its_socket_with_4401`, `sessions::the_end_of_a_user_closes_the_users_sockets_at_once` |

use std::collections::HashSet;

use ws_core::testkit::{Received, TestClient, TestKit};
use ws_server::prelude::*;

use crate::journal::settle;

topics! {
    pub(crate) Board: "board/{id: u64}" => String { history: 9, keep: 10m };
    pub(crate) Ticker: "ticker" => String;
    pub(crate) Pulse: "pulse" => String { relay: live };
}

/// Subscribes to all topics. Publishes and sends what the client asks for.
struct Reader;

#[ws_handler]
impl Reader {
    fn init(socket: &Socket<Self>) -> Self {
        for id in 0..3 {
            socket.subscribe(Board(id));
        }
        socket.subscribe(Ticker);
        socket.subscribe(Pulse);
        Reader
    }

    fn message(&mut self, count: String, hub: &Hub, socket: &Socket<Self>) -> Result<(), Close> {
        for number in 0..count.parse::<u32>().or_close()? {
            drop(hub.publish(Board(0), &format!("published {number}")));
            socket.send(format!("sent {number}")).or_close()?;
        }
        Ok(())
    }
}

async fn readers(kit: &TestKit) -> [TestClient; 3] {
    let connect = || async { kit.handler::<Reader>().connect().await.unwrap() };
    [connect().await, connect().await, connect().await]
}

/// The messages that a client has received.
async fn texts(client: &mut TestClient) -> Vec<String> {
    let text = |received| match received {
        Received::Message(message) => message.as_text().unwrap().to_owned(),
        other => panic!("not a message: {other:?}"),
    };
    let received = client.received_so_far().await;
    received.into_iter().map(text).collect()
}

#[tokio::test(start_paused = true)]
async fn an_accepted_publish_reaches_every_subscriber_once_and_in_one_order() {
    let kit = TestKit::new();
    let mut clients = readers(&kit).await;
    let publish = |name: &'static str| {
        let hub = kit.hub().clone();
        tokio::spawn(async move {
            let mut positions = HashSet::new();
            for number in 0..20 {
                let text = format!("{name}{number}");
                positions.insert(hub.publish(Board(1), &text).await.unwrap().to_string());
                tokio::task::yield_now().await;
            }
            assert_eq!(positions.len(), 20, "each has a position of its own");
        })
    };
    for publisher in [publish("a"), publish("b")] {
        publisher.await.unwrap();
    }
    let first = texts(&mut clients[0]).await;
    for client in &mut clients[1..] {
        assert_eq!(texts(client).await, first);
    }
    for name in ["a", "b"] {
        let of_one = first.iter().filter(|text| text.starts_with(name));
        let expected: Vec<_> = (0..20).map(|number| format!("{name}{number}")).collect();
        assert_eq!(of_one.cloned().collect::<Vec<_>>(), expected);
    }
    assert_eq!(first.len(), 40);
}

#[tokio::test(start_paused = true)]
async fn a_publish_that_is_not_awaited_reaches_every_subscriber() {
    let kit = TestKit::new();
    let mut clients = readers(&kit).await;
    drop(kit.hub().publish(Board(0), &"kept".to_owned()));
    drop(kit.hub().publish(Ticker, &"not kept".to_owned()));
    for client in &mut clients {
        assert_eq!(texts(client).await, ["kept", "not kept"]);
    }
}

#[tokio::test(start_paused = true)]
async fn publishes_of_one_task_to_several_topics_keep_their_order() {
    let kit = TestKit::new();
    let mut clients = readers(&kit).await;
    let mut expected = Vec::new();
    for number in 0..10 {
        for topic in 0..3 {
            let text = format!("board {topic}: {number}");
            drop(kit.hub().publish(Board(topic), &text));
            expected.push(text);
        }
        for text in [format!("ticker: {number}"), format!("pulse: {number}")] {
            if text.starts_with('t') {
                drop(kit.hub().publish(Ticker, &text));
            } else {
                kit.hub().publish(Pulse, &text);
            }
            expected.push(text);
        }
    }
    for client in &mut clients {
        assert_eq!(texts(client).await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn send_and_publish_of_one_task_keep_their_order() {
    let kit = TestKit::new();
    let mut client = kit.handler::<Reader>().connect().await.unwrap();
    client.send("5").await;
    settle().await;
    let of_number = |number| [format!("published {number}"), format!("sent {number}")];
    let expected: Vec<_> = (0..5).flat_map(of_number).collect();
    assert_eq!(texts(&mut client).await, expected);
}

#[tokio::test(start_paused = true)]
async fn a_live_topic_reaches_connected_subscribers_only() {
    let kit = TestKit::new();
    assert_eq!(kit.hub().publish(Pulse, &"before".to_owned()).reached(), 0);
    let mut clients = readers(&kit).await;
    assert_eq!(kit.hub().publish(Pulse, &"now".to_owned()).reached(), 3);
    let mut late = kit.handler::<Reader>().connect().await.unwrap();
    for client in &mut clients {
        assert_eq!(texts(client).await, ["now"]);
    }
    assert_eq!(texts(&mut late).await, [""; 0]);
}
