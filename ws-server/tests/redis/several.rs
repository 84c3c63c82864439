//! The lanes of one log on several servers of Redis.

use std::time::Duration;

use tokio::time::{sleep, timeout};
use ws_server::cluster::{ClusterOptions, Lane, Lanes};
use ws_server::prelude::*;
use ws_server::redis::{RedisEngine, RedisError};
use ws_server::testkit::{TestClient, TestKit, engines};

use crate::nodes::{Room, assert_quiet, lane_of, options, start};
use crate::proxy::Proxy;
use crate::server::RedisServer;

const COUNT: usize = 3;

fn servers() -> [RedisServer; COUNT] {
    std::array::from_fn(|_| RedisServer::start())
}

fn engine(servers: &[RedisServer]) -> RedisEngine {
    RedisEngine::over(servers.iter().map(RedisServer::redis), Lanes::DEFAULT).unwrap()
}

fn impatient() -> ClusterOptions {
    options().publish_timeout(Duration::from_secs(1))
}

async fn node(servers: &[RedisServer]) -> TestKit {
    let node = start(engine(servers), &impatient());
    node.hub().ready().await;
    node
}

/// A room whose lane is on the server with this index.
fn room_on(server: usize) -> Room {
    let is_there = |id: &u64| lane_of(&format!("room/{id}")).index() % COUNT == server;
    Room((0..100).find(is_there).unwrap())
}

/// Subscribes to one room on each server.
struct Visitor;

#[ws_handler]
impl Visitor {
    fn init(socket: &Socket<Self>) -> Self {
        for server in 0..COUNT {
            socket.subscribe(room_on(server).replay(10));
        }
        Visitor
    }
}

/// Subscribes to the room on the server with this index.
struct Guest<const SERVER: usize>;

#[ws_handler]
impl<const SERVER: usize> Guest<SERVER> {
    fn init(socket: &Socket<Self>) -> Self {
        socket.subscribe(room_on(SERVER));
        Guest
    }
}

async fn publish(node: &TestKit, server: usize, text: &str) -> bool {
    let receipt = node.hub().publish(&room_on(server), &text.to_owned());
    receipt.await.is_ok()
}

async fn next(client: &mut TestClient) -> String {
    client.text().await
}

#[tokio::test]
async fn an_engine_over_several_servers_passes_the_suite() {
    let servers = servers();
    engines::check_engine(&engine(&servers)).await;
}

#[tokio::test]
async fn each_lane_is_on_one_server_and_members_are_on_the_first() {
    let servers = servers();
    let node = node(&servers).await;
    assert!(publish(&node, 1, "hello").await);
    for (index, server) in servers.iter().enumerate() {
        let lanes = |lane: &Lane| !server.keys(&format!("ws:{{{}}}:*", lane.0)).is_empty();
        let found: Vec<_> = Lanes::DEFAULT.iter().filter(lanes).collect();
        let expected = Lanes::DEFAULT.iter();
        let expected: Vec<_> = expected
            .filter(|lane| lane.index() % COUNT == index)
            .collect();
        assert_eq!(found, expected);
        let layout = server.command("GET ws:{lanes}");
        let addresses = servers.each_ref().map(|it| it.redis().address().to_owned());
        let expected = format!("8 lanes by fnv-1a on 3 servers ({})", addresses.join(", "));
        assert!(layout.contains(&expected), "{layout}");
    }
}

#[tokio::test]
async fn clients_of_two_nodes_get_the_messages_of_all_servers() {
    let servers = servers();
    let (one, two) = (node(&servers).await, node(&servers).await);
    let mut ada = one.handler::<Visitor>().connect().await.unwrap();
    for server in 0..COUNT {
        assert!(publish(&two, server, &server.to_string()).await);
        assert_eq!(next(&mut ada).await, server.to_string());
    }
    // A client that comes later gets the histories of all servers.
    let mut bob = two.handler::<Visitor>().connect().await.unwrap();
    let mut all = [
        next(&mut bob).await,
        next(&mut bob).await,
        next(&mut bob).await,
    ];
    all.sort_unstable();
    assert_eq!(all, ["0", "1", "2"]);
}

#[tokio::test]
async fn a_server_that_is_restarted_resets_only_the_clients_of_its_lanes() {
    let mut servers = servers();
    let (one, two) = (node(&servers).await, node(&servers).await);
    let mut ada = one.handler::<Guest<0>>().connect().await.unwrap();
    let mut bob = two.handler::<Guest<1>>().connect().await.unwrap();
    servers[1].kill();
    assert!(servers[1].run());
    assert_eq!(bob.closed().await.0, CloseCode::SERVICE_RESTART);
    let mut bob = two.handler::<Guest<1>>().connect().await.unwrap();
    while !publish(&one, 1, "again").await {}
    assert_eq!(next(&mut bob).await, "again");
    assert_quiet(&mut ada).await;
    assert!(publish(&two, 0, "as before").await);
    assert_eq!(next(&mut ada).await, "as before");
}

#[tokio::test]
async fn while_a_server_is_down_the_lanes_of_the_others_continue() {
    let mut servers = servers();
    let (one, two) = (node(&servers).await, node(&servers).await);
    let mut ada = one.handler::<Guest<0>>().connect().await.unwrap();
    let mut bob = one.handler::<Guest<2>>().connect().await.unwrap();
    servers[2].kill();
    assert!(!publish(&two, 2, "refused").await);
    for number in 0..20 {
        assert!(publish(&two, 0, &number.to_string()).await);
        assert_eq!(next(&mut ada).await, number.to_string());
    }
    assert_quiet(&mut bob).await;
    // Only its lanes are stale.
    let lanes: Vec<Lane> = Lanes::DEFAULT
        .iter()
        .filter(|it| it.index() % COUNT == 2)
        .collect();
    let stale = || one.hub().cluster().unwrap().stale_lanes;
    while stale().is_empty() {
        sleep(Duration::from_millis(50)).await;
    }
    assert!(
        stale().iter().all(|lane| lanes.contains(lane)),
        "{:?}",
        stale()
    );
    while stale() != lanes {
        sleep(Duration::from_millis(50)).await;
    }
    let health = &one.hub().log_health()[2];
    assert!(!health.state.is_up() && health.lanes == lanes, "{health:?}");
    let shown = health.to_string();
    assert!(shown.contains("; lanes 2, 5"), "{shown}");
    assert!(servers[2].run());
    assert_eq!(bob.closed().await.0, CloseCode::SERVICE_RESTART);
    while !publish(&two, 2, "accepted").await {}
    assert_quiet(&mut ada).await;
    while !stale().is_empty() {
        sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_server_that_is_restarted_while_another_is_down_is_used_again() {
    let mut servers = servers();
    let (one, two) = (node(&servers).await, node(&servers).await);
    let mut ada = one.handler::<Guest<0>>().connect().await.unwrap();
    let mut bob = two.handler::<Guest<1>>().connect().await.unwrap();
    servers[2].kill();
    servers[1].kill();
    assert!(servers[1].run());
    assert_eq!(bob.closed().await.0, CloseCode::SERVICE_RESTART);
    let mut bob = two.handler::<Guest<1>>().connect().await.unwrap();
    while !publish(&one, 1, "again").await {}
    assert_eq!(next(&mut bob).await, "again");
    assert!(publish(&two, 0, "as before").await);
    assert_eq!(next(&mut ada).await, "as before");
}

/// Messages on other lanes for each one of a slow server.
const MESSAGES: usize = 20;

/// An answer that is thrown away because it is late would be as late the next time.
#[tokio::test]
async fn a_server_that_always_answers_late_is_read_and_delays_no_other() {
    let servers = servers();
    let slow = Proxy::start(servers[1].port()).await;
    let start = async || {
        let all = [servers[0].redis(), slow.redis(), servers[2].redis()];
        let node = start(RedisEngine::over(all, Lanes::DEFAULT).unwrap(), &options());
        node.hub().ready().await;
        node
    };
    let (one, two) = (start().await, start().await);
    let mut ada = one.handler::<Guest<1>>().connect().await.unwrap();
    let mut bob = one.handler::<Guest<0>>().connect().await.unwrap();
    // Later connections would be given up.
    assert!(publish(&two, 1, "before").await);
    assert_eq!(next(&mut ada).await, "before");
    while servers[1].command("CLIENT LIST").matches("flags=b").count() < 2 {
        sleep(Duration::from_millis(20)).await;
    }
    slow.delay_answers(Duration::from_millis(700));
    for number in 0..3 {
        let text = number.to_string();
        assert!(publish(&two, 1, &text).await, "message {number}");
        // Not closed by a reset.
        let delivered = timeout(Duration::from_secs(30), next(&mut ada)).await;
        assert_eq!(delivered.as_deref(), Ok(&*text));
    }
    let round_trips = async {
        for number in 0..MESSAGES {
            assert!(publish(&two, 0, &number.to_string()).await);
            assert_eq!(next(&mut bob).await, number.to_string());
        }
    };
    tokio::select! {
        biased;
        _ = publish(&two, 1, "late") => {
            panic!("a message of a slow server before {MESSAGES} of another one");
        }
        () = round_trips => {}
    }
    slow.delay_answers(Duration::ZERO);
    while !one.hub().cluster().unwrap().stale_lanes.is_empty() {
        sleep(Duration::from_millis(50)).await;
    }
    assert_quiet(&mut bob).await;
}

#[tokio::test]
async fn an_engine_with_other_servers_or_another_order_is_refused() {
    let servers = servers();
    engine(&servers).connected().await.unwrap();
    let address = servers.each_ref().map(|it| it.redis().address().to_owned());
    let layout = |list: &[&str]| {
        let servers = match list {
            [_] => "1 server".to_owned(),
            list => format!("{} servers ({})", list.len(), list.join(", ")),
        };
        format!("8 lanes by fnv-1a on {servers}")
    };
    let [a, b, c] = [0, 1, 2].map(|index| &*address[index]);
    for list in [vec![1, 0, 2], vec![0, 1], vec![1]] {
        let redis = list.iter().map(|index| servers[*index].redis());
        let engine = RedisEngine::over(redis, Lanes::DEFAULT).unwrap();
        let names: Vec<_> = list.iter().map(|index| &*address[*index]).collect();
        let expected = RedisError::Layout {
            address: names[0].to_owned(),
            found: layout(&[a, b, c]),
            expected: layout(&names),
        };
        assert_eq!(engine.connected().await, Err(expected));
    }
}
