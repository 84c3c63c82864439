//! Pages that are subscribed, on a log that is replaced.

use ws_server::extract::NoState;
use ws_server::prelude::*;
use ws_server::testkit::Cluster;

use crate::rooms::{Room, publish};

dispatch! {
    struct Routes;

    stream: "/stream" => PageStream;
}

#[tokio::test(start_paused = true)]
async fn a_page_gets_the_messages_of_all_nodes_and_a_reset_when_some_may_be_missing() {
    let cluster = Cluster::with(2, |kit| kit.with_table(Routes::table(), NoState).unwrap()).await;
    let kit = cluster.node(0);
    let visitor = kit.visitor().await;
    let mut page = kit
        .page("/stream")
        .visitor(&visitor)
        .connect()
        .await
        .unwrap();
    visitor.session().subscribe("said", Room(7)).unwrap();
    publish(&cluster, 1, "1").await.unwrap();
    assert_eq!(page.event::<String>("said").await, "1");
    cluster.new_generation();
    // For its pushes, and for the topic.
    page.reset().await;
    page.reset().await;
    publish(&cluster, 1, "2").await.unwrap();
    assert_eq!(page.event::<String>("said").await, "2");
}
