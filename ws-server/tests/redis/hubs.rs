//! Hubs that share the log in one Redis.

use std::time::Duration;

use tokio::time::sleep;
use ws_server::prelude::*;

use crate::nodes::{join, node, texts};
use crate::server::RedisServer;

/// Members that enter together.
const MEMBERS: u32 = 100;

topics! {
    /// With members.
    Room: "room" => String { presence: u32 };
}

/// Enters all members.
struct Crowd;

#[ws_handler]
impl Crowd {
    fn init(socket: &Socket<Self>) -> Self {
        for number in 0..MEMBERS {
            socket.enter(&Room, &number.to_string(), number);
        }
        Crowd
    }
}

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

/// The number in the answer to a command of Redis, behind this text.
fn number_behind(server: &RedisServer, command: &str, text: &str) -> u32 {
    let answer = server.command(command);
    let number = answer.split(text).nth(1).unwrap_or_default();
    let digits = number.split(|it: char| !it.is_ascii_digit()).next();
    digits.unwrap_or_default().parse().unwrap_or_default()
}

/// They are recorded for nodes that start later. A command for each of them would cost Redis several
/// times as much as their entries in the log.
#[tokio::test]
async fn members_that_enter_together_are_recorded_by_few_commands() {
    let server = RedisServer::start();
    let hsets = || number_behind(&server, "INFO commandstats", "cmdstat_hset:calls=");
    let node = node(&server).await;
    let before = hsets();
    let _crowd = node.handler::<Crowd>().connect().await.unwrap();
    let recorded = || {
        let key = server.keys("ws:{members}:node:*").pop();
        key.map_or(0, |key| number_behind(&server, &format!("HLEN {key}"), ":"))
    };
    while recorded() < MEMBERS {
        sleep(Duration::from_millis(5)).await;
    }
    let calls = hsets() - before;
    assert!(calls < MEMBERS / 10, "{calls} calls");
}
