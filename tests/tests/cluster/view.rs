//! What a server knows of its cluster.

use std::time::Duration;

use tokio::time::sleep;
use ws_server::Hub;
use ws_server::cluster::{ClusterNode, ClusterView};
use ws_server::testkit::Cluster;

use crate::rooms::connect;

const SECOND: Duration = Duration::from_secs(1);

fn view(cluster: &Cluster, node: usize) -> ClusterView {
    cluster.node(node).hub().cluster().unwrap()
}

fn ids(view: &ClusterView) -> Vec<u64> {
    view.nodes.iter().map(|node| node.id.0).collect()
}

fn this(view: &ClusterView) -> &ClusterNode {
    view.nodes.iter().find(|node| node.is_this).unwrap()
}

#[tokio::test(start_paused = true)]
async fn every_node_sees_all_nodes_with_their_connections_and_versions() {
    assert_eq!(Hub::default().cluster(), None);
    let cluster = Cluster::new(3).await;
    let _clients = [connect(&cluster, 1).await, connect(&cluster, 1).await];
    sleep(SECOND * 5).await;
    let views = [0, 1, 2].map(|node| view(&cluster, node));
    let own: Vec<_> = views.iter().map(|view| this(view).id.0).collect();
    for view in &views {
        assert_eq!(ids(view), own);
        let connections: Vec<_> = view.nodes.iter().map(|node| node.connections).collect();
        assert_eq!(connections, [0, 2, 0]);
        for node in &view.nodes {
            assert_eq!(node.versions, 1..=1);
            assert!(node.age <= SECOND * 4 && node.lag < SECOND, "{node:?}");
        }
        assert!(view.is_ready && view.silence <= SECOND * 2, "{view:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_was_killed_disappears_and_one_that_is_cut_off_shows_it() {
    let mut cluster = Cluster::new(3).await;
    sleep(SECOND * 5).await;
    let before = ids(&view(&cluster, 0));
    cluster.kill(1).await;
    cluster.cut(2);
    sleep(SECOND * 20).await;
    assert_eq!(ids(&view(&cluster, 0)), before[..1]);
    let cut = view(&cluster, 2);
    assert!(cut.silence >= SECOND * 19, "{cut:?}");
    assert!(this(&cut).age >= SECOND * 17, "{cut:?}");
    cluster.heal(2);
    cluster.settle().await;
    sleep(SECOND * 8).await;
    // It has found its own death, and continues under another id.
    let healed = view(&cluster, 0);
    assert_eq!(ids(&healed), [before[0], before[2] + 1]);
    assert_eq!(ids(&view(&cluster, 2)), ids(&healed));
    assert!(this(&view(&cluster, 2)).lag < SECOND);
}
