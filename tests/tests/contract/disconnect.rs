//! Connections that the application closes from outside.

use ws_core::testkit::{TestClient, TestKit};
use ws_server::CloseCause;
use ws_server::prelude::*;

use crate::journal::settle;

fn auction() -> Topic<String> {
    Topic::local("auction")
}

/// Subscribes, or listens, to the topic, as the first message says.
struct Bidder;

#[ws_handler]
impl Bidder {
    fn init() -> Self {
        Bidder
    }

    fn message(&mut self, text: String, socket: &Socket<Self>) -> String {
        match &*text {
            "subscribe" => socket.subscribe(auction()),
            "listen" => socket.listen(auction()),
            _ => {}
        }
        text
    }

    fn info(&mut self, _: String) {}
}

dispatch! {
    struct Routes;

    bid: "/bid" => Bidder { require_page: false };
    watch: "/watch" => Bidder { require_session: false };
}

fn kit() -> TestKit {
    let kit = TestKit::new();
    kit.with_table(Routes::table(), ws_server::extract::NoState)
        .unwrap()
}

/// A connection of this user, after its first message.
async fn bidder(kit: &TestKit, user: &str, first: &'static str) -> TestClient {
    let visitor = kit.user(user).await;
    let mut client = kit.open("/bid").session(&visitor).connect().await.unwrap();
    client.send(first).await;
    assert_eq!(client.text().await, first);
    client
}

fn kicked() -> Close {
    Close::new(CloseCode::POLICY, "removed by a moderator")
}

/// Checks that the connection ends with the reason, and why.
async fn assert_kicked(client: &mut TestClient) {
    let expected = (CloseCode::POLICY, "removed by a moderator".to_owned());
    assert_eq!(client.closed().await, expected);
    assert_eq!(client.terminated().await.cause, CloseCause::ServerClosed);
}

#[tokio::test(start_paused = true)]
async fn one_connection_is_closed_after_its_messages() {
    let kit = kit();
    let mut first = bidder(&kit, "ada", "hello").await;
    let mut second = bidder(&kit, "ada", "hello").await;
    let id = first.sender().id();
    first.socket::<Bidder>().send("the last message").unwrap();
    assert!(kit.hub().disconnect(id, kicked()));
    assert!(!kit.hub().disconnect(id, kicked()), "it is closing already");
    assert_eq!(first.text().await, "the last message");
    assert_kicked(&mut first).await;
    settle().await;
    assert!(!kit.hub().disconnect(id, kicked()), "it has ended");
    second.send("still here").await;
    assert_eq!(second.text().await, "still here");
}

#[tokio::test(start_paused = true)]
async fn all_connections_of_a_user_are_closed_in_every_session() {
    let kit = kit();
    let mut of_ada = [
        bidder(&kit, "ada", "hello").await,
        bidder(&kit, "ada", "hello").await,
    ];
    let mut of_bob = bidder(&kit, "bob", "hello").await;
    let mut anonymous = kit.open("/watch").connect().await.unwrap();
    assert_eq!(kit.hub().disconnect_user("ada", kicked()), 2);
    for client in &mut of_ada {
        assert_kicked(client).await;
    }
    assert_eq!(kit.hub().disconnect_user("ada", kicked()), 0);
    for client in [&mut of_bob, &mut anonymous] {
        client.send("still here").await;
        assert_eq!(client.text().await, "still here");
    }
}

#[tokio::test(start_paused = true)]
async fn the_subscribers_and_listeners_of_a_topic_are_closed() {
    let kit = kit();
    let mut subscriber = bidder(&kit, "ada", "subscribe").await;
    let mut listener = bidder(&kit, "bob", "listen").await;
    let mut other = bidder(&kit, "bob", "hello").await;
    assert_eq!(kit.hub().disconnect_topic(auction(), kicked()), 2);
    assert_kicked(&mut subscriber).await;
    assert_kicked(&mut listener).await;
    settle().await;
    assert_eq!(kit.hub().subscriber_count(auction()), 0);
    assert_eq!(kit.hub().disconnect_topic(auction(), kicked()), 0);
    other.send("still here").await;
    assert_eq!(other.text().await, "still here");
}
