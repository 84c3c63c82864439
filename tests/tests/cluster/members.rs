//! Members on several nodes.

use std::time::Duration;

use tokio::time::sleep;
use ws_server::testkit::{Cluster, TestClient};
use ws_server::topic::MembersEvent;

use crate::rooms::Command::{Enter, Leave, Watch};
use crate::rooms::{Event, names, visitor};

fn enter(key: &str, member: &str) -> crate::rooms::Command {
    Enter(7, key.into(), member.into())
}

/// Waits until members that have left are no longer shown.
async fn settle(cluster: &Cluster) {
    cluster.settle().await;
    sleep(Duration::from_secs(3)).await;
}

#[tokio::test(start_paused = true)]
async fn members_are_those_of_all_nodes() {
    let cluster = Cluster::new(3).await;
    let mut ada = visitor(&cluster, 0, &[enter("ada", "1")]).await;
    let _bob = visitor(&cluster, 1, &[enter("bob", "1")]).await;
    settle(&cluster).await;
    for node in 0..3 {
        assert_eq!(names(&cluster, node), ["ada=1", "bob=1"]);
    }
    // One key on two nodes is one member, with its newest value.
    let mut tab = visitor(&cluster, 2, &[enter("ada", "2")]).await;
    settle(&cluster).await;
    assert_eq!(names(&cluster, 0), ["ada=2", "bob=1"]);
    tab.send_json(&Leave(7)).await;
    settle(&cluster).await;
    assert_eq!(names(&cluster, 1), ["ada=1", "bob=1"]);
    ada.send_json(&Leave(7)).await;
    settle(&cluster).await;
    for node in 0..3 {
        assert_eq!(names(&cluster, node), ["bob=1"]);
    }
}

#[tokio::test(start_paused = true)]
async fn the_members_of_a_dead_node_leave_and_a_late_node_knows_the_others() {
    let mut cluster = Cluster::new(3).await;
    let _ada = visitor(&cluster, 0, &[enter("ada", "1")]).await;
    let _bob = visitor(&cluster, 1, &[enter("bob", "1")]).await;
    settle(&cluster).await;
    cluster.kill(0).await;
    sleep(Duration::from_secs(18)).await;
    assert_eq!(names(&cluster, 1), ["bob=1"]);
    assert_eq!(names(&cluster, 2), ["bob=1"]);
    // The entries of the members have left the log.
    for lane in 0..8 {
        cluster.server().trim(ws_server::cluster::Lane(lane), 0);
    }
    cluster.restart(0).await;
    assert_eq!(names(&cluster, 0), ["bob=1"]);
    sleep(Duration::from_secs(30)).await;
    for node in 0..3 {
        assert_eq!(names(&cluster, node), ["bob=1"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_was_cut_off_enters_its_members_again() {
    let cluster = Cluster::new(2).await;
    let _ada = visitor(&cluster, 0, &[enter("ada", "1")]).await;
    settle(&cluster).await;
    cluster.cut(0);
    let _bob = visitor(&cluster, 0, &[enter("bob", "1")]).await;
    sleep(Duration::from_secs(30)).await;
    assert_eq!(names(&cluster, 1), [""; 0]);
    cluster.heal(0);
    sleep(Duration::from_secs(10)).await;
    settle(&cluster).await;
    for node in 0..2 {
        assert_eq!(names(&cluster, node), ["ada=1", "bob=1"]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_the_log_kills_no_node() {
    let cluster = Cluster::new(2).await;
    let _ada = visitor(&cluster, 0, &[enter("ada", "1")]).await;
    settle(&cluster).await;
    cluster.pause();
    sleep(Duration::from_secs(60)).await;
    cluster.resume().await;
    for _ in 0..10 {
        sleep(Duration::from_secs(1)).await;
        assert_eq!(names(&cluster, 1), ["ada=1"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_starts_late_takes_no_younger_node_for_dead() {
    let mut cluster = Cluster::new(2).await;
    // The log has heartbeats from before the node of the member has started.
    sleep(Duration::from_secs(20)).await;
    cluster.restart(0).await;
    let _ada = visitor(&cluster, 0, &[enter("ada", "1")]).await;
    settle(&cluster).await;
    cluster.restart(1).await;
    for _ in 0..10 {
        assert_eq!(names(&cluster, 1), ["ada=1"]);
        sleep(Duration::from_secs(2)).await;
    }
}

async fn members_event(client: &mut TestClient) -> MembersEvent<String> {
    match client.json().await {
        Event::Members(event) => event,
        other => panic!("not about members: {other:?}"),
    }
}

fn snapshot(members: &[(&str, &str)], stale: bool) -> MembersEvent<String> {
    let owned = |(key, member): &(&str, &str)| ((*key).to_owned(), (*member).to_owned());
    MembersEvent::Snapshot {
        topic: "room/7".to_owned(),
        members: members.iter().map(owned).collect(),
        stale,
    }
}

fn changes(entered: &[(&str, &str)], stale: bool) -> MembersEvent<String> {
    let owned = |(key, member): &(&str, &str)| ((*key).to_owned(), (*member).to_owned());
    MembersEvent::Changes {
        topic: "room/7".to_owned(),
        entered: entered.iter().map(owned).collect(),
        changed: Vec::new(),
        left: Vec::new(),
        stale,
    }
}

#[tokio::test(start_paused = true)]
async fn members_are_stale_on_a_node_that_cannot_read_the_log() {
    let cluster = Cluster::new(2).await;
    let _ada = visitor(&cluster, 0, &[enter("ada", "1")]).await;
    settle(&cluster).await;
    let mut here = visitor(&cluster, 0, &[Watch(7)]).await;
    let mut there = visitor(&cluster, 1, &[Watch(7)]).await;
    for watcher in [&mut here, &mut there] {
        assert_eq!(
            members_event(watcher).await,
            snapshot(&[("ada", "1")], false)
        );
    }
    let is_stale = |node: usize| cluster.node(node).hub().has_stale_members();
    cluster.cut(1);
    assert_eq!(members_event(&mut there).await, changes(&[], true));
    assert!(is_stale(1) && !is_stale(0));
    // The members stay, and a new watcher is warned at once.
    let mut late = visitor(&cluster, 1, &[Watch(7)]).await;
    assert_eq!(
        members_event(&mut late).await,
        snapshot(&[("ada", "1")], true)
    );
    let _bob = visitor(&cluster, 0, &[enter("bob", "1")]).await;
    assert_eq!(
        members_event(&mut here).await,
        changes(&[("bob", "1")], false)
    );
    assert_eq!(names(&cluster, 1), ["ada=1"]);
    cluster.heal(1);
    for watcher in [&mut there, &mut late] {
        let mut entered = Vec::new();
        loop {
            let event = members_event(watcher).await;
            let MembersEvent::Changes {
                entered: more,
                stale,
                ..
            } = event
            else {
                panic!("no change: {event:?}");
            };
            entered.extend(more.into_iter().map(|(key, _)| key));
            if !stale && !entered.is_empty() {
                break;
            }
        }
        assert_eq!(entered, ["bob"]);
    }
    assert!(!is_stale(1));
}

#[tokio::test(start_paused = true)]
async fn watchers_of_an_empty_topic_see_that_it_is_stale() {
    let cluster = Cluster::new(2).await;
    let mut watchers = [
        visitor(&cluster, 0, &[Watch(7)]).await,
        visitor(&cluster, 1, &[Watch(7)]).await,
    ];
    for watcher in &mut watchers {
        assert_eq!(members_event(watcher).await, snapshot(&[], false));
    }
    // The log answers no node.
    cluster.pause();
    for watcher in &mut watchers {
        assert_eq!(members_event(watcher).await, changes(&[], true));
    }
    assert!((0..2).all(|node| cluster.node(node).hub().has_stale_members()));
    cluster.resume().await;
    for watcher in &mut watchers {
        assert_eq!(members_event(watcher).await, changes(&[], false));
    }
}
