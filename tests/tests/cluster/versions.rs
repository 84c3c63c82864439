//! Servers of several releases in one cluster: the later ones write what the earlier ones read.

use std::time::Duration;

use tokio::time::sleep;
use ws_server::CloseCode;
use ws_server::testkit::{Cluster, TestClient};

use crate::rooms::{Command, Room, publish, said, visitor};

/// The time after which a dead node is known, and a later version is written.
const SETTLED: Duration = Duration::from_secs(30);

/// The version that each of these nodes writes, and the number of records that it has skipped.
fn written<const N: usize>(cluster: &Cluster, nodes: [usize; N]) -> [(u8, u64); N] {
    nodes.map(|node| {
        let view = cluster.node(node).hub().cluster().unwrap();
        (view.version, view.skipped)
    })
}

/// The versions that living nodes read, as a node knows them.
fn read(cluster: &Cluster, node: usize) -> Vec<u8> {
    let view = cluster.node(node).hub().cluster().unwrap();
    let mut read: Vec<_> = view.nodes.iter().map(|it| *it.versions.end()).collect();
    read.sort_unstable();
    read
}

/// Publishes on each of these nodes; all clients get everything.
async fn talk(cluster: &Cluster, nodes: &[usize], clients: &mut [&mut TestClient]) {
    for round in 0..5 {
        for node in nodes {
            let text = format!("{round} of {node}");
            publish(cluster, *node, &text).await.unwrap();
            for client in &mut *clients {
                assert_eq!(said(client).await.0, text);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_later_version_joins_takes_over_and_leaves_without_a_loss() {
    let mut cluster = Cluster::new(2).await;
    let mut ada = visitor(&cluster, 0, &[Command::Subscribe(7)]).await;
    cluster.restart_as_version(1, 2).await;
    sleep(SETTLED).await;
    assert_eq!(read(&cluster, 0), [1, 2]);
    assert_eq!(written(&cluster, [0, 1]), [(1, 0); 2]);
    let mut bob = visitor(&cluster, 1, &[Command::Subscribe(7)]).await;
    talk(&cluster, &[0, 1], &mut [&mut ada, &mut bob]).await;
    drop(ada);

    // The last of the earlier version ends.
    cluster.shut_down(0).await;
    talk(&cluster, &[1], &mut [&mut bob]).await;
    cluster.restart_as_version(0, 2).await;
    let mut ada = visitor(&cluster, 0, &[Command::Subscribe(7)]).await;
    talk(&cluster, &[0, 1], &mut [&mut ada, &mut bob]).await;
    sleep(SETTLED).await;
    assert_eq!(written(&cluster, [0, 1]), [(2, 0); 2]);
    talk(&cluster, &[0, 1], &mut [&mut ada, &mut bob]).await;
    drop(ada);

    // Back to the earlier version.
    cluster.restart(0).await;
    sleep(SETTLED).await;
    assert_eq!(read(&cluster, 1), [1, 2]);
    let [(first, skipped), later] = written(&cluster, [0, 1]);
    assert_eq!((first, later), (1, (1, 0)));
    assert!(
        skipped > 0,
        "it has skipped what was written before it came"
    );
    let mut ada = visitor(&cluster, 0, &[Command::Subscribe(7)]).await;
    talk(&cluster, &[0, 1], &mut [&mut ada, &mut bob]).await;
    assert_eq!(written(&cluster, [0, 1]), [(1, skipped), (1, 0)]);
    cluster.kill(1).await;
    talk(&cluster, &[0], &mut [&mut ada]).await;
}

#[tokio::test(start_paused = true)]
async fn a_node_that_cannot_read_what_others_write_resets_its_clients() {
    let mut cluster = Cluster::new(3).await;
    for node in [0, 1] {
        cluster.restart_as_version(node, 2).await;
    }
    cluster.shut_down(2).await;
    sleep(SETTLED).await;
    assert_eq!(written(&cluster, [0, 1]), [(2, 0); 2]);
    // Node 0 has written an entry, but does not reach the log before node 2 has started.
    cluster.cut(0);
    let hub = cluster.node(0).hub().clone();
    let late = hub.publish(Room(7), &"too late".to_owned());
    cluster.restart(2).await;
    let mut eve = visitor(&cluster, 2, &[Command::Subscribe(7)]).await;
    cluster.heal(0);
    late.await.unwrap();
    let (code, reason) = eve.closed().await;
    assert_eq!(code, CloseCode::SERVICE_RESTART, "{reason}");
    sleep(SETTLED).await;
    let mut eve = visitor(&cluster, 2, &[Command::Subscribe(7)]).await;
    talk(&cluster, &[0, 1, 2], &mut [&mut eve]).await;
}
