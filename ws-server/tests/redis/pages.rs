//! Pages that move between nodes on a real Redis.

use std::time::Duration;

use tokio::time::sleep;
use ws_server::extract::NoState;
use ws_server::prelude::*;
use ws_server::testkit::{PageReceived, ResetReason, TestKit, TestPage};

use crate::nodes::node;
use crate::server::RedisServer;

dispatch! {
    struct Routes;

    device: "/device" => PageStream { attach: page, require_session: false };
}

/// Two nodes that take pages without a session.
async fn nodes(redis: &RedisServer) -> [TestKit; 2] {
    let kit = async || {
        let kit = node(redis).await;
        kit.with_table(Routes::table(), NoState).unwrap()
    };
    [kit().await, kit().await]
}

async fn device(kit: &TestKit) -> TestPage {
    let device = kit.page("/device").without_cookies().connect();
    device.await.unwrap()
}

async fn move_to(page: &mut TestPage, kit: &TestKit) {
    page.set_server(kit);
    page.reconnect().await.unwrap();
}

#[tokio::test]
async fn a_page_that_moves_between_two_nodes_gets_every_push_once_and_in_order() {
    const COUNT: u32 = 2_000;
    let redis = RedisServer::start();
    let nodes = nodes(&redis).await;
    let mut page = device(&nodes[0]).await;
    let id = page.page().id().to_owned();
    let sender = nodes[1].hub().clone();
    let pushes = tokio::spawn(async move {
        for number in 0..COUNT {
            // Whatever the address, pushes of one task have one order.
            if number % 2 == 0 {
                sender.broadcast("n", &number);
            } else {
                sender.page_by_id(&id).push("n", &number);
            }
            if number % 10 == 0 {
                sleep(Duration::from_millis(5)).await;
            }
        }
    });
    let mut received: Vec<u32> = Vec::new();
    for step in 1.. {
        move_to(&mut page, &nodes[step % 2]).await;
        // Some of them are lost in transit with the connection.
        for event in page.received_so_far().await {
            let PageReceived::Event(_, number) = event else {
                panic!("{event:?} after {} pushes", received.len());
            };
            received.push(serde_json::from_value(number).unwrap());
        }
        if received.len() >= COUNT as usize {
            assert!(step > 10, "the page has moved {step} times only");
            break;
        }
    }
    pushes.await.unwrap();
    assert_eq!(received, (0..COUNT).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_page_gets_a_reset_after_redis_was_restarted_and_then_moves_on() {
    let mut redis = RedisServer::start();
    let nodes = nodes(&redis).await;
    let mut page = device(&nodes[0]).await;
    page.disconnect().await;
    redis.kill();
    assert!(redis.run());
    while nodes[1].hub().everyone().send("n", &1).await.is_err() {}
    page.set_server(&nodes[1]);
    while page.reconnect().await.is_err() {
        sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(page.reset().await, ResetReason::Restart);
    nodes[0].hub().everyone().send("n", &2).await.unwrap();
    assert_eq!(page.event::<u32>("n").await, 2);
    move_to(&mut page, &nodes[0]).await;
    nodes[1].hub().everyone().send("n", &3).await.unwrap();
    assert_eq!(page.event::<u32>("n").await, 3);
}
