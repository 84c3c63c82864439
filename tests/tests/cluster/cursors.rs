//! The cursors of pages on several servers: what pages report, and what servers believe.

use std::time::Duration;

use tokio::time::sleep;
use ws_server::page::PAGE_PROTOCOL;
use ws_server::testkit::{Cluster, TestClient, TestVisitor};

use crate::pushes::cluster;

const SECOND: Duration = Duration::from_secs(1);

/// Connects with this query besides the id of the page.
pub(crate) async fn connect(
    cluster: &Cluster,
    (node, visitor): (usize, &TestVisitor),
    query: &str,
) -> Result<TestClient, u16> {
    let builder = cluster.node(node).open(&format!("/stream?{query}"));
    let builder = builder.session(visitor);
    let builder = builder.header("sec-websocket-protocol", PAGE_PROTOCOL);
    let connected = builder.connect().await;
    connected.map_err(|refusal| refusal.status().as_u16())
}

#[tokio::test(start_paused = true)]
async fn a_forged_cursor_shows_nothing() {
    let cluster = cluster(2).await;
    let ada = cluster.node(0).user("ada").await;
    let (mine, other) = (ada.page(), ada.page());
    let bob = cluster.node(0).user("bob").await;
    let of_bob = bob.page();
    cluster
        .node(0)
        .hub()
        .user("ada")
        .send("n", &1)
        .await
        .unwrap();
    let there = ada.at(cluster.node(1)).await;
    let query = |base: &str, at: &str| {
        let (id, epoch) = (mine.id(), mine.epoch().unwrap());
        format!("z_pid={id}&epoch={epoch}&offset=0&base={base}&at={at}")
    };
    let base = mine.base().unwrap();
    for (base, at) in [
        (other.base().unwrap(), ""),
        (of_bob.base().unwrap(), ""),
        (base, "9.1.1.1"),
        (base, "0.1.1"),
        (&base[1..], "%20"),
    ] {
        let refused = connect(&cluster, (1, &there), &query(base, at)).await;
        assert_eq!(refused.unwrap_err(), 400, "{base} {at}");
    }
    let other_letter = if base.starts_with('A') { 'B' } else { 'A' };
    let forged = format!("{other_letter}{}", &base[1..]);
    for (base, at) in [
        // Not sealed by the servers, before its base, and behind the end of the log.
        (&*forged, ""),
        (base, "0.0.0.0"),
        (base, "0.9007199254740991.1.1"),
    ] {
        let mut client = connect(&cluster, (1, &there), &query(base, at))
            .await
            .unwrap();
        let welcome = client.text().await;
        assert!(!welcome.contains("continued"), "{welcome}");
        let reset = client.text().await;
        assert!(reset.contains(r#""why":"restart""#), "{reset}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_quiet_page_learns_of_the_places_that_it_has_reached() {
    let cluster = cluster(2).await;
    let ada = cluster.node(0).user("ada").await;
    let page = ada.page();
    let (id, epoch) = (page.id().to_owned(), page.epoch().unwrap());
    let base = page.base().unwrap();
    let query = format!("z_pid={id}&client=7&attempt=1&epoch={epoch}&offset=0&base={base}&at=");
    let mut client = connect(&cluster, (0, &ada), &query).await.unwrap();
    client.text().await;
    client.send(r#"{"type":"ping"}"#).await;
    let pong: serde_json::Value = client.json().await;
    assert_eq!(pong["type"], "pong");
    let at = pong["at"].as_str().unwrap().to_owned();
    assert_eq!(at.split('-').count(), 8, "{at}");
    // More than the window passes: only the places of the pong are recent enough.
    cluster
        .node(1)
        .hub()
        .user("ada")
        .send("n", &1)
        .await
        .unwrap();
    let event: serde_json::Value = client.json().await;
    assert!(event["at"].as_str().unwrap().starts_with("0."), "{event}");
    client.send(r#"{"type":"ping"}"#).await;
    let pong: serde_json::Value = client.json().await;
    let at = pong["at"].as_str().unwrap().to_owned();
    client.reset().await;
    for number in 0..30 {
        sleep(SECOND * 10).await;
        cluster
            .node(1)
            .hub()
            .user("bob")
            .send("n", &number)
            .await
            .unwrap();
    }
    let there = ada.at(cluster.node(1)).await;
    let query = |at: &str| {
        format!("z_pid={id}&client=7&attempt=2&epoch={epoch}&offset=1&base={base}&at={at}")
    };
    let mut client = connect(&cluster, (1, &there), &query(&at)).await.unwrap();
    let welcome = client.text().await;
    assert!(welcome.contains(r#""continued":true"#), "{welcome}");
    // Without them, it would have missed the message that has left the window.
    let kit = cluster.node(0);
    let here = ada.at(kit).await;
    let mut client = connect(&cluster, (0, &here), &query("")).await.unwrap();
    let welcome = client.text().await;
    assert!(!welcome.contains("continued"), "{welcome}");
}
