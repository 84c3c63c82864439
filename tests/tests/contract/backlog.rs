//! Subscriptions that begin with more of the history than the connection can receive at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Deserialize;
use ws_core::testkit::{Received as FromServer, TestClient, TestKit};
use ws_server::Policy;
use ws_server::prelude::*;
use ws_server::topic::{Position, Received, SinceError};

use crate::journal::{limits, settle};

topics! {
    pub(crate) News: "news" => u32 { history: 2_000, keep: 10m };
}

/// The messages that a connection with the default limits receives at once: three quarters of
/// `outbox_frames`.
const AT_ONCE: u32 = 768;
/// Same as `AT_ONCE`, for a listening handler: three quarters of `mailbox`.
const MAIL_AT_ONCE: u32 = 192;

/// Follows the news.
struct Reader;

#[derive(Deserialize)]
struct Start {
    last: Option<usize>,
    since: Option<Position>,
}

#[ws_handler]
impl Reader {
    fn init(Query(start): Query<Start>, socket: &Socket<Self>) -> Result<Self, Refusal> {
        if let Some(position) = start.since {
            socket.subscribe(News.since(position))?;
        }
        if let Some(last) = start.last {
            socket.subscribe(News.replay(last));
        }
        Ok(Reader)
    }

    fn message(&mut self, _: String) {}
}

/// Listens to the news, and answers with their numbers.
struct Listener;

#[ws_handler]
impl Listener {
    fn init(Query(start): Query<Start>, socket: &Socket<Self>) -> Result<Self, Refusal> {
        if let Some(position) = start.since {
            socket.listen(News.since(position).with_position())?;
        }
        if let Some(last) = start.last {
            socket.listen(News.replay(last).with_position());
        }
        Ok(Listener)
    }

    fn info(&mut self, Received { value, .. }: Received<u32>) -> String {
        value.to_string()
    }
}

/// Publishes the numbers from 1 to this one; returns the position of each.
async fn published(kit: &TestKit, count: u32) -> Vec<Position> {
    let mut positions = Vec::new();
    for number in 1..=count {
        positions.push(kit.hub().publish(News, &number).await.unwrap());
    }
    positions
}

async fn numbers(client: &mut TestClient) -> Vec<u32> {
    settle().await;
    let received = client.received_so_far().await.into_iter();
    let number = |received: FromServer| match received {
        FromServer::Message(message) => message.as_text().unwrap().parse().unwrap(),
        other => panic!("{other:?}"),
    };
    received.map(number).collect()
}

fn range(first: u32, last: u32) -> Vec<u32> {
    (first..=last).collect()
}

#[tokio::test(start_paused = true)]
async fn a_replay_that_does_not_fit_is_shortened_to_the_newest_messages() {
    let kit = TestKit::new();
    published(&kit, 1_500).await;
    let reader = kit.handler::<Reader>().uri("/?last=1500");
    let mut reader = reader.connect().await.unwrap();
    kit.hub().publish(News, &1_501);
    let expected = range(1_501 - AT_ONCE, 1_501);
    assert_eq!(numbers(&mut reader).await, expected);
    let listener = kit.handler::<Listener>().uri("/?last=300");
    let mut listener = listener.connect().await.unwrap();
    let expected = range(1_502 - MAIL_AT_ONCE, 1_501);
    assert_eq!(numbers(&mut listener).await, expected);
}

#[tokio::test(start_paused = true)]
async fn a_position_too_far_behind_refuses_the_handshake_and_closes_no_connection() {
    let kit = TestKit::new();
    let positions = published(&kit, 1_500).await;
    let refused = async |client: ws_core::testkit::ClientBuilder| {
        let response = client.connect().await.err().unwrap().into_response();
        (response.status().as_u16(), response.into_body())
    };
    let behind = |count: u32| &positions[1_500 - count as usize - 1];
    let text = "more messages follow this position than the connection can receive at once\n";
    let uri = format!("/?since={}", behind(AT_ONCE + 1));
    let reader = kit.handler::<Reader>().uri(&uri);
    assert_eq!(refused(reader).await, (410, text.to_owned()));
    let uri = format!("/?since={}", behind(MAIL_AT_ONCE + 1));
    let listener = kit.handler::<Listener>().uri(&uri);
    assert_eq!(refused(listener).await, (410, text.to_owned()));
    assert_eq!(kit.hub().subscriber_count(News), 0);
    let uri = format!("/?since={}", behind(AT_ONCE));
    let mut reader = kit.handler::<Reader>().uri(&uri).connect().await.unwrap();
    assert_eq!(numbers(&mut reader).await, range(1_501 - AT_ONCE, 1_500));
}

#[tokio::test(start_paused = true)]
async fn the_bytes_of_a_replay_are_limited_as_well() {
    let kit = TestKit::new();
    published(&kit, 100).await;
    // A frame counts 10 bytes besides its payload; a quarter of the outbox stays free.
    let small = |builder: ws_core::testkit::ClientBuilder| {
        builder.limits(limits(|limits| limits.outbox = 400))
    };
    let reader = small(kit.handler::<Reader>().uri("/?last=100"));
    let mut reader = reader.connect().await.unwrap();
    let received = numbers(&mut reader).await;
    assert_eq!(received.last(), Some(&100));
    assert_eq!(received.len(), 24);
    // One message of any size fits an empty outbox.
    let tiny = limits(|limits| (limits.outbox, limits.outbox_frames) = (1, 1));
    let reader = kit.handler::<Reader>().uri("/?last=2").limits(tiny);
    let mut reader = reader.connect().await.unwrap();
    assert_eq!(numbers(&mut reader).await, [100]);
}

#[tokio::test(start_paused = true)]
async fn since_replaces_a_subscription_and_checks_the_position() {
    let kit = TestKit::new();
    let positions = published(&kit, 3).await;
    let reader = kit.handler::<Reader>().uri("/?last=1");
    let mut reader = reader.connect().await.unwrap();
    assert_eq!(numbers(&mut reader).await, [3]);
    let socket = reader.socket::<Reader>();
    let forged = Position::from_text("AAAA").unwrap();
    assert_eq!(
        socket.subscribe(News.since(forged)),
        Err(SinceError::Invalid)
    );
    kit.hub().publish(News, &4);
    assert_eq!(numbers(&mut reader).await, [4], "it is still subscribed");
    assert_eq!(socket.subscribe(News.since(positions[0].clone())), Ok(()));
    kit.hub().publish(News, &5);
    assert_eq!(numbers(&mut reader).await, [2, 3, 4, 5]);
    assert_eq!(kit.hub().subscriber_count(News), 1);
    // A replay does not repeat what the client has got.
    socket.subscribe(News.replay(9));
    assert_eq!(numbers(&mut reader).await, [0; 0]);
}

#[tokio::test(start_paused = true)]
async fn since_replaces_the_subscription_of_a_page_and_checks_the_position() {
    let kit = TestKit::new();
    let visitor = kit.visitor().await;
    let page = visitor.page();
    let positions = published(&kit, 2).await;
    page.subscribe("news", News).unwrap();
    let forged = Position::from_text("AAAA").unwrap();
    assert_eq!(
        page.subscribe("news", News.since(forged)),
        Err(SinceError::Invalid.into())
    );
    page.subscribe("news", News.since(positions[0].clone()))
        .unwrap();
    kit.hub().publish(News, &3);
    assert_eq!(kit.hub().subscriber_count(News), 1);
    let kit = kit
        .with_table(Streams::table(), ws_server::extract::NoState)
        .unwrap();
    let page = kit.page("/stream").visitor(&visitor).page(&page);
    let mut page = page.connect().await.unwrap();
    for number in [2, 3] {
        assert_eq!(page.event::<u32>("news").await, number);
    }
}

/// A subscriber that is removed from its list but not yet from the topic would be doubled.
#[tokio::test]
async fn a_connection_that_subscribes_while_it_unsubscribes_has_one_subscription() {
    let kit = TestKit::new();
    let client = kit.handler::<Reader>().connect().await.unwrap();
    let hub = kit.hub().clone();
    let is_done = Arc::new(AtomicBool::new(false));
    let threads = [(); 2].map(|()| {
        let (socket, is_done) = (client.socket::<Reader>(), is_done.clone());
        std::thread::spawn(move || {
            while !is_done.load(Ordering::Relaxed) {
                socket.subscribe_with(News, Policy::Latest);
                socket.unsubscribe(News);
            }
        })
    });
    let most = (0..200_000).map(|_| hub.subscriber_count(News)).max();
    is_done.store(true, Ordering::Relaxed);
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(most, Some(1));
}

dispatch! {
    struct Streams;

    stream: "/stream" => PageStream;
}
