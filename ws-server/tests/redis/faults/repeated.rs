//! Entries that were executed, but whose answer was lost: they are sent again.

use std::time::Duration;

use ws_server::prelude::*;
use ws_server::testkit::{Received, TestKit};

use crate::nodes::{
    Lines, assert_quiet, join, lane_of, node, node_on, options, publish, texts, texts_up_to,
};
use crate::proxy::Proxy;
use crate::server::RedisServer;

/// Publishes on the node behind the proxy, whose answers are held, until the server has the entry.
async fn publish_unanswered(node: &TestKit, proxy: &Proxy, server: &RedisServer) {
    // The server knows the script from here on.
    publish(node, "before").await;
    proxy.hold_answers();
    node.hub().publish(Lines, &"unanswered".to_owned());
    while copies(server, "unanswered") == 0 {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// The number of entries with this text.
fn copies(server: &RedisServer, text: &str) -> usize {
    let log = server.log_of(lane_of("lines"));
    server
        .command(&format!("XRANGE {log} - +"))
        .matches(text)
        .count()
}

#[tokio::test]
async fn a_repeated_entry_is_delivered_once_and_in_its_first_place() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port()).await;
    let (one, two) = (
        node_on(proxy.redis(), &options()).await,
        node(&server).await,
    );
    let (mut ada, mut bob) = (join(&one).await, join(&two).await);
    publish_unanswered(&one, &proxy, &server).await;
    assert_eq!(texts(&mut bob, 2).await, ["before", "unanswered"]);
    publish(&two, "between").await;
    assert_eq!(bob.text().await, "between");
    assert_eq!(texts(&mut ada, 1).await, ["before"]);
    assert_quiet(&mut ada).await;
    proxy.cut();
    publish(&one, "after").await;
    let expected = ["unanswered", "between", "after"];
    assert_eq!(texts_up_to(&mut ada, "after").await, expected);
    assert_eq!(texts(&mut bob, 1).await, ["after"]);
    assert_quiet(&mut ada).await;
    assert_quiet(&mut bob).await;
    assert_eq!(
        copies(&server, "unanswered"),
        2,
        "the entry was not repeated"
    );
    // The history has it once, too.
    let mut eve = join(&node(&server).await).await;
    let history = texts_up_to(&mut eve, "after").await;
    assert_eq!(history, ["before", "unanswered", "between", "after"]);
}

#[tokio::test]
async fn an_entry_whose_first_copy_was_trimmed_before_the_repeat_is_not_doubled() {
    let server = RedisServer::start();
    let proxy = Proxy::start(server.port()).await;
    let (one, two) = (
        node_on(proxy.redis(), &options()).await,
        node(&server).await,
    );
    let (mut ada, mut bob) = (join(&one).await, join(&two).await);
    publish_unanswered(&one, &proxy, &server).await;
    assert_eq!(texts(&mut bob, 2).await, ["before", "unanswered"]);
    let log = server.log_of(lane_of("lines"));
    let trimmed = server.command(&format!("XTRIM {log} MAXLEN 0"));
    assert!(!trimmed.starts_with(":0"), "{trimmed}");
    proxy.cut();
    publish(&one, "after").await;
    assert_eq!(
        copies(&server, "unanswered"),
        1,
        "the entry was not repeated"
    );
    assert_eq!(texts(&mut bob, 1).await, ["after"]);
    assert_quiet(&mut bob).await;
    // Its node has not read the first copy, and knows that something is missing.
    let mut received = Vec::new();
    let code = loop {
        match ada.receive().await {
            Received::Message(message) => received.push(message.as_text().unwrap().to_owned()),
            Received::Close(code, _) => break code,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(code, CloseCode::SERVICE_RESTART);
    let is_once = received.iter().filter(|text| *text == "unanswered").count() <= 1;
    assert!(is_once, "{received:?}");
    let mut ada = join(&one).await;
    texts_up_to(&mut ada, "after").await;
    publish(&two, "last").await;
    assert_eq!(texts(&mut ada, 1).await, ["last"]);
    assert_quiet(&mut ada).await;
}
