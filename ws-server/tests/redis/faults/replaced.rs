//! A server that has lost a part of its data, or may have: clients are closed, and connect again.

use ws_server::prelude::*;

use crate::nodes::{Room, assert_quiet, join, lane_of, node, publish, reset, texts, texts_up_to};
use crate::server::RedisServer;

/// Two nodes and their clients lose the server and get it back by `replace`. Then a message reaches
/// both clients, behind these ones of the history.
async fn check_replaced(
    mut server: RedisServer,
    replace: impl AsyncFnOnce(&mut RedisServer),
    history: &[&str],
) {
    let (one, two) = (node(&server).await, node(&server).await);
    let mut clients = [join(&one).await, join(&two).await];
    publish(&one, "saved").await;
    assert!(server.command("SAVE").starts_with("+OK"));
    publish(&two, "not saved").await;
    for client in &mut clients {
        assert_eq!(texts(client, 2).await, ["saved", "not saved"]);
    }
    replace(&mut server).await;
    let mut clients = reset([&one, &two], clients).await;
    publish(&two, "after").await;
    let expected: Vec<_> = history.iter().chain(&["after"]).collect();
    for client in &mut clients {
        assert_eq!(
            texts(client, expected.len())
                .await
                .iter()
                .collect::<Vec<_>>(),
            expected
        );
        assert_quiet(client).await;
    }
    // A node that starts then agrees.
    let mut eve = join(&node(&server).await).await;
    assert_eq!(
        texts_up_to(&mut eve, "after")
            .await
            .iter()
            .collect::<Vec<_>>(),
        expected
    );
}

fn restart(server: &mut RedisServer) {
    server.kill();
    assert!(server.run());
}

#[tokio::test]
async fn a_restart_without_data_resets_clients() {
    let empty = async |server: &mut RedisServer| {
        server.kill();
        server.remove_snapshot();
        assert!(server.run());
    };
    check_replaced(RedisServer::start(), empty, &[]).await;
}

#[tokio::test]
async fn a_restart_from_an_old_snapshot_resets_clients() {
    let old = async |server: &mut RedisServer| restart(server);
    check_replaced(RedisServer::start(), old, &["saved"]).await;
}

/// It cannot be told apart from one that has lost data.
#[tokio::test]
async fn a_restart_that_lost_nothing_keeps_histories_and_resets_clients() {
    let server = RedisServer::with(&["--appendonly", "yes", "--appendfsync", "always"]);
    let same = async |server: &mut RedisServer| restart(server);
    check_replaced(server, same, &["saved", "not saved"]).await;
}

#[tokio::test]
async fn a_flushed_server_resets_clients() {
    let flush = async |server: &mut RedisServer| {
        assert!(server.command("FLUSHALL").starts_with("+OK"));
    };
    check_replaced(RedisServer::start(), flush, &[]).await;
}

/// `FLUSHALL` under time: ids of the new generation are behind those that nodes have read.
#[tokio::test]
async fn a_clock_that_steps_back_disturbs_nothing_and_a_new_generation_is_still_behind() {
    let mut server = RedisServer::start();
    let (one, two) = (node(&server).await, node(&server).await);
    let mut clients = [join(&one).await, join(&two).await];
    // As after entries of an hour that the clock repeats now.
    let log = server.log_of(lane_of("lines"));
    let last = server.command(&format!("XREVRANGE {log} + - COUNT 1"));
    let last = last
        .lines()
        .find_map(|line| line.split_once('-'))
        .unwrap()
        .0;
    let ahead = last.parse::<u64>().unwrap() + 3_600_000;
    let added = server.command(&format!("XADD {log} {ahead}-0 name value"));
    assert!(added.starts_with('$'), "{added}");
    for (node, line) in [(&one, "a"), (&two, "b"), (&one, "c")] {
        publish(node, line).await;
    }
    for client in &mut clients {
        assert_eq!(texts(client, 3).await, ["a", "b", "c"]);
        assert_quiet(client).await;
    }
    server.kill();
    assert!(server.run());
    let mut clients = reset([&one, &two], clients).await;
    publish(&two, "d").await;
    for client in &mut clients {
        assert_eq!(texts(client, 1).await, ["d"]);
    }
    let first = server.command(&format!(
        "XRANGE {} - + COUNT 1",
        server.log_of(lane_of("lines"))
    ));
    let first = first
        .lines()
        .find_map(|line| line.split_once('-'))
        .unwrap()
        .0;
    assert!(first.parse::<u64>().unwrap() > ahead, "{first}");
}

/// Subscribes to a room in another lane than the lines.
struct Guest;

const ROOM: Room = Room(1);

#[ws_handler]
impl Guest {
    fn init(socket: &Socket<Self>) -> Self {
        socket.subscribe(ROOM);
        Guest
    }
}

#[tokio::test]
async fn a_deleted_log_resets_only_the_clients_of_its_lane() {
    let server = RedisServer::start();
    let (one, two) = (node(&server).await, node(&server).await);
    assert_ne!(lane_of("lines"), lane_of("room/1"));
    let clients = [join(&one).await, join(&two).await];
    let mut guest = two.handler::<Guest>().connect().await.unwrap();
    let log = server.log_of(lane_of("lines"));
    assert!(server.command(&format!("DEL {log}")).starts_with(":1"));
    let mut clients = reset([&one, &two], clients).await;
    publish(&one, "after").await;
    for client in &mut clients {
        assert_eq!(texts(client, 1).await, ["after"]);
    }
    let receipt = one.hub().publish(&ROOM, &"as before".to_owned());
    receipt.await.unwrap();
    assert_eq!(guest.text().await, "as before");
    assert_quiet(&mut guest).await;
}
