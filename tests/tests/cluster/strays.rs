//! Pages that a server has refused: what it remembers of them means nothing.

use std::time::Duration;

use tokio::time::sleep;
use ws_server::testkit::{Cluster, ResetReason, TestPage};

use crate::moving::move_to;
use crate::pushes::{cluster, page};
use crate::rooms::News;

const SECOND: Duration = Duration::from_secs(1);

/// The page tries the second server, which cannot reach the log.
async fn be_refused(page: &mut TestPage, cluster: &Cluster) {
    cluster.cut(1);
    page.set_server(cluster.node(1));
    let refusal = page.reconnect().await.unwrap_err();
    assert_eq!(refusal.status().as_u16(), 503);
    cluster.heal(1);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_has_refused_a_page_knows_that_it_has_lost_something_elsewhere() {
    let cluster = cluster(2).await;
    let visitor = cluster.node(0).visitor().await;
    let mut page = page(&cluster, 0, &visitor).await;
    page.page().subscribe("said", News(1)).unwrap();
    cluster.settle().await;
    page.disconnect().await;
    // The other server forgets the page after its own one has reported the loss.
    sleep(SECOND * 10).await;
    be_refused(&mut page, &cluster).await;
    sleep(SECOND * 60).await;
    move_to(&mut page, &cluster, 1).await;
    assert_eq!(page.reset().await, ResetReason::Restart);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_has_refused_a_page_ends_none_of_its_subscriptions() {
    let cluster = cluster(2).await;
    let visitor = cluster.node(0).visitor().await;
    let mut page = page(&cluster, 0, &visitor).await;
    cluster.settle().await;
    be_refused(&mut page, &cluster).await;
    move_to(&mut page, &cluster, 0).await;
    page.page().subscribe("said", News(1)).unwrap();
    // The page is away from its own server when the other one forgets it.
    sleep(SECOND * 15).await;
    page.disconnect().await;
    sleep(SECOND * 15).await;
    let hub = cluster.node(1).hub();
    hub.publish(News(1), &"1".to_owned()).await.unwrap();
    move_to(&mut page, &cluster, 1).await;
    assert_eq!(page.event::<String>("said").await, "1");
    assert_eq!(page.received_so_far().await, []);
}
