//! Hubs that share the log in one Redis.

use ws_server::prelude::*;

use crate::nodes::{join, node, texts};
use crate::server::RedisServer;

#[tokio::test]
async fn clients_of_two_nodes_get_the_same_messages_in_the_same_order() {
    let server = RedisServer::start();
    let (one, two) = (node(&server).await, node(&server).await);
    let (mut ada, mut bob) = (join(&one).await, join(&two).await);
    for number in 0..50 {
        ada.send(format!("ada {number}")).await;
        bob.send(format!("bob {number}")).await;
    }
    let all = texts(&mut ada, 100).await;
    assert_eq!(texts(&mut bob, 100).await, all);
    for name in ["ada", "bob"] {
        let own: Vec<_> = all.iter().filter(|text| text.starts_with(name)).collect();
        let expected: Vec<_> = (0..50).map(|number| format!("{name} {number}")).collect();
        assert!(own.into_iter().eq(&expected), "{all:?}");
    }
    // A node that starts later has the history.
    let mut eve = join(&node(&server).await).await;
    assert_eq!(texts(&mut eve, 100).await, all);
}

#[tokio::test]
async fn clients_connect_again_after_redis_was_replaced_and_messages_flow() {
    let mut server = RedisServer::start();
    let (one, two) = (node(&server).await, node(&server).await);
    let (mut ada, mut bob) = (join(&one).await, join(&two).await);
    ada.send("before").await;
    for client in [&mut ada, &mut bob] {
        assert_eq!(client.text().await, "before");
    }
    server.kill();
    assert!(server.run());
    for client in [&mut ada, &mut bob] {
        assert_eq!(client.closed().await.0, CloseCode::SERVICE_RESTART);
    }
    let (mut ada, mut bob) = (join(&one).await, join(&two).await);
    bob.send("after").await;
    for client in [&mut ada, &mut bob] {
        assert_eq!(texts(client, 1).await, ["after"]);
    }
}
