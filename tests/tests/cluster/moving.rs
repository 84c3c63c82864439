//! Pages that move between servers.

use std::time::Duration;

use tokio::time::{sleep, timeout};
use ws_server::testkit::{Cluster, PageReceived, ResetReason, TestPage};
use ws_server::{CloseCode, Message};

use crate::cursors::connect;
use crate::pushes::{cluster, connect_rendered, page};
use crate::rooms::{News, Room};

const SECOND: Duration = Duration::from_secs(1);

/// Lets the page connect to this server, as behind a load balancer.
pub(crate) async fn move_to(page: &mut TestPage, cluster: &Cluster, node: usize) {
    page.set_server(cluster.node(node));
    page.reconnect().await.unwrap();
}

async fn numbers(page: &mut TestPage, count: usize) -> Vec<u32> {
    let mut numbers = Vec::new();
    for _ in 0..count {
        numbers.push(page.event::<u32>("n").await);
    }
    numbers
}

async fn texts(page: &mut TestPage, count: usize) -> Vec<String> {
    let mut texts = Vec::new();
    for _ in 0..count {
        texts.push(page.event::<String>("said").await);
    }
    texts
}

async fn assert_quiet(page: &mut TestPage) {
    assert_eq!(page.received_so_far().await, []);
}

#[tokio::test(start_paused = true)]
async fn a_page_continues_on_another_server_with_everything_that_it_has_missed_and_nothing_twice() {
    let cluster = cluster(3).await;
    let ada = cluster.node(0).user("ada").await;
    let mut page = page(&cluster, 0, &ada).await;
    let hub = cluster.node(2).hub();
    let id = page.page().id().to_owned();
    hub.user("ada").send("n", &1).await.unwrap();
    assert_eq!(numbers(&mut page, 1).await, [1]);
    page.disconnect().await;
    hub.user("ada").send("n", &2).await.unwrap();
    hub.session(ada.session().id()).send("n", &3).await.unwrap();
    hub.user("bob").send("n", &4).await.unwrap();
    hub.everyone().send("n", &5).await.unwrap();
    hub.page_by_id(&id).send("n", &6).await.unwrap();
    move_to(&mut page, &cluster, 1).await;
    assert_eq!(numbers(&mut page, 4).await, [2, 3, 5, 6]);
    hub.user("ada").send("n", &7).await.unwrap();
    assert_eq!(numbers(&mut page, 1).await, [7]);
    cluster.settle().await;
    let counts = [0, 1, 2].map(|node| cluster.node(node).hub().page_count());
    assert_eq!(counts, [0, 1, 0], "the page is on one server");
    move_to(&mut page, &cluster, 0).await;
    hub.user("ada").send("n", &8).await.unwrap();
    assert_eq!(numbers(&mut page, 1).await, [8]);
    assert_quiet(&mut page).await;
    assert_eq!(page.unconfirmed(), []);
}

#[tokio::test(start_paused = true)]
async fn a_push_between_the_rendering_and_a_connection_to_another_server_arrives() {
    let cluster = cluster(2).await;
    let ada = cluster.node(0).user("ada").await;
    let rendered = ada.page();
    cluster
        .node(1)
        .hub()
        .user("ada")
        .send("n", &1)
        .await
        .unwrap();
    let mut page = connect_rendered(&cluster, 1, (&ada, &rendered), "/stream").await;
    assert_eq!(numbers(&mut page, 1).await, [1]);
    assert_quiet(&mut page).await;
}

#[tokio::test(start_paused = true)]
async fn a_page_of_a_killed_server_continues_on_another_one() {
    let mut cluster = cluster(2).await;
    let ada = cluster.node(0).user("ada").await;
    let mut page = page(&cluster, 0, &ada).await;
    cluster.node(1).hub().broadcast("n", &1);
    assert_eq!(numbers(&mut page, 1).await, [1]);
    page.disconnect().await;
    cluster
        .node(1)
        .hub()
        .everyone()
        .send("n", &2)
        .await
        .unwrap();
    cluster.kill(0).await;
    cluster.node(1).hub().broadcast("n", &3);
    move_to(&mut page, &cluster, 1).await;
    assert_eq!(numbers(&mut page, 2).await, [2, 3]);
    // A server that has started since knows the log too.
    cluster.restart(0).await;
    page.disconnect().await;
    cluster.node(1).hub().broadcast("n", &4);
    move_to(&mut page, &cluster, 0).await;
    assert_eq!(numbers(&mut page, 1).await, [4]);
    assert_quiet(&mut page).await;
}

#[tokio::test(start_paused = true)]
async fn a_page_that_moves_before_it_has_received_what_it_missed_gets_it_from_the_next_server() {
    let cluster = cluster(3).await;
    let visitor = cluster.node(0).visitor().await;
    let mut page = page(&cluster, 0, &visitor).await;
    page.disconnect().await;
    let hub = cluster.node(2).hub();
    for number in 0..5 {
        hub.everyone().send("n", &number).await.unwrap();
    }
    // It has a connection to the second server, but receives only some of the messages there.
    move_to(&mut page, &cluster, 1).await;
    assert_eq!(numbers(&mut page, 2).await, [0, 1]);
    page.disconnect().await;
    let received = page.received_so_far().await;
    let rest = 2 + u32::try_from(received.len()).unwrap();
    hub.everyone().send("n", &5).await.unwrap();
    move_to(&mut page, &cluster, 2).await;
    let expected: Vec<u32> = (rest..6).collect();
    assert_eq!(numbers(&mut page, expected.len()).await, expected);
    assert_quiet(&mut page).await;
}

#[tokio::test(start_paused = true)]
async fn the_connection_to_the_former_server_is_closed() {
    let cluster = cluster(2).await;
    let ada = cluster.node(0).user("ada").await;
    let mut here = page(&cluster, 0, &ada).await;
    let kit = cluster.node(1);
    let there = ada.at(kit).await;
    // The tab was duplicated.
    let builder = kit.page("/stream").visitor(&there).page(here.page());
    let mut there = builder.connect().await.unwrap();
    let (code, reason) = here.closed().await;
    assert_eq!(code, CloseCode::SUPERSEDED);
    assert_eq!(reason, "another socket has the page");
    cluster.node(0).hub().broadcast("n", &1);
    assert_eq!(numbers(&mut there, 1).await, [1]);
}

#[tokio::test(start_paused = true)]
async fn a_page_that_goes_away_and_comes_back_while_the_other_server_lags_stays_here() {
    let cluster = cluster(2).await;
    let ada = cluster.node(0).user("ada").await;
    let mut page = page(&cluster, 0, &ada).await;
    // The claim of the other server waits, and the page gives up.
    cluster.cut(1);
    page.set_server(cluster.node(1));
    assert!(timeout(SECOND / 2, page.reconnect()).await.is_err());
    move_to(&mut page, &cluster, 0).await;
    cluster.node(0).hub().broadcast("n", &1);
    assert_eq!(numbers(&mut page, 1).await, [1]);
    cluster.heal(1);
    cluster.settle().await;
    // Its claim is in the log now, behind everything.
    cluster.node(1).hub().broadcast("n", &2);
    assert_eq!(numbers(&mut page, 1).await, [2]);
    assert_quiet(&mut page).await;
    let counts = [0, 1].map(|node| cluster.node(node).hub().page_count());
    assert_eq!(counts, [1, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_page_that_returns_to_a_server_before_that_has_read_where_it_was_misses_nothing() {
    let cluster = cluster(3).await;
    let ada = cluster.node(0).user("ada").await;
    let mut page = page(&cluster, 0, &ada).await;
    move_to(&mut page, &cluster, 1).await;
    cluster
        .node(0)
        .hub()
        .everyone()
        .send("n", &1)
        .await
        .unwrap();
    assert_eq!(numbers(&mut page, 1).await, [1]);
    cluster.cut(1);
    move_to(&mut page, &cluster, 2).await;
    page.disconnect().await;
    let hub = cluster.node(0).hub();
    hub.everyone().send("n", &2).await.unwrap();
    cluster.heal(1);
    move_to(&mut page, &cluster, 1).await;
    assert_eq!(numbers(&mut page, 1).await, [2]);
    hub.broadcast("n", &3);
    assert_eq!(numbers(&mut page, 1).await, [3]);
    assert_quiet(&mut page).await;
}

#[tokio::test(start_paused = true)]
async fn without_the_log_a_page_returns_to_its_own_server_only() {
    let cluster = cluster(2).await;
    let ada = cluster.node(0).user("ada").await;
    let mut page = page(&cluster, 0, &ada).await;
    cluster.pause();
    sleep(SECOND * 4).await;
    page.set_server(cluster.node(1));
    let refusal = page.reconnect().await.unwrap_err();
    assert_eq!(refusal.status().as_u16(), 503);
    assert_eq!(refusal.text(), "the log is unavailable: try again");
    move_to(&mut page, &cluster, 0).await;
    cluster.resume().await;
    cluster.settle().await;
    cluster.node(1).hub().broadcast("n", &1);
    assert_eq!(numbers(&mut page, 1).await, [1]);
    assert_quiet(&mut page).await;
}

#[tokio::test(start_paused = true)]
async fn a_page_with_a_subscription_that_other_servers_do_not_know_gets_a_reset_there() {
    let cluster = cluster(2).await;
    let visitor = cluster.node(0).visitor().await;
    let mut page = page(&cluster, 0, &visitor).await;
    let local = ws_server::Topic::<u32>::local("here");
    page.page().subscribe("n", &local).unwrap();
    cluster.node(0).hub().publish(&local, &1);
    assert_eq!(numbers(&mut page, 1).await, [1]);
    cluster.settle().await;
    move_to(&mut page, &cluster, 1).await;
    assert_eq!(page.reset().await, ResetReason::Restart);
    // From now on it is like any other page.
    move_to(&mut page, &cluster, 0).await;
    assert_quiet(&mut page).await;
    // The same, if its client has not learnt of the subscription.
    let rendered = visitor.page();
    rendered.subscribe("n", &local).unwrap();
    cluster.settle().await;
    let mut page = connect_rendered(&cluster, 1, (&visitor, &rendered), "/stream").await;
    assert_eq!(page.reset().await, ResetReason::Restart);
}

#[tokio::test(start_paused = true)]
async fn a_page_of_a_log_that_was_replaced_gets_a_reset() {
    let cluster = cluster(2).await;
    let visitor = cluster.node(0).visitor().await;
    let mut page = page(&cluster, 0, &visitor).await;
    page.disconnect().await;
    cluster.new_generation();
    cluster.settle().await;
    move_to(&mut page, &cluster, 1).await;
    assert_eq!(page.reset().await, ResetReason::Restart);
    cluster.node(0).hub().broadcast("n", &1);
    assert_eq!(numbers(&mut page, 1).await, [1]);
    move_to(&mut page, &cluster, 0).await;
    assert_quiet(&mut page).await;
}

#[tokio::test(start_paused = true)]
async fn a_page_that_stays_while_the_log_is_replaced_gets_another_base() {
    let cluster = cluster(2).await;
    let ada = cluster.node(0).user("ada").await;
    let page = ada.page();
    let (id, epoch) = (page.id().to_owned(), page.epoch().unwrap());
    let query = |base: &str| format!("z_pid={id}&client=7&epoch={epoch}&offset=0&base={base}&at=");
    let first = query(page.base().unwrap());
    let mut client = connect(&cluster, (0, &ada), &first).await.unwrap();
    client.text().await;
    cluster.new_generation();
    cluster.settle().await;
    let reset: serde_json::Value = client.json().await;
    assert_eq!(reset["type"], "reset", "pushes may be lost: {reset}");
    client.send(r#"{"type":"ping"}"#).await;
    let renewed: serde_json::Value = client.json().await;
    assert_eq!(renewed["type"], "base", "{renewed}");
    let pong: serde_json::Value = client.json().await;
    assert_eq!(pong["type"], "pong", "{pong}");
    client.send(r#"{"type":"ping"}"#).await;
    let pong: serde_json::Value = client.json().await;
    assert_eq!(pong["type"], "pong", "once: {pong}");
    let there = ada.at(cluster.node(1)).await;
    let second = query(renewed["base"].as_str().unwrap());
    let mut client = connect(&cluster, (1, &there), &second).await.unwrap();
    let welcome = client.text().await;
    assert!(welcome.contains(r#""continued":true"#), "{welcome}");
}

#[tokio::test(start_paused = true)]
async fn nobody_gets_what_was_sent_before_a_logon() {
    let cluster = cluster(2).await;
    let mut visitor = cluster.node(0).visitor().await;
    let mut page = page(&cluster, 0, &visitor).await;
    page.disconnect().await;
    let hub = cluster.node(0).hub();
    let session = visitor.session().id();
    hub.session(session).send("n", &1).await.unwrap();
    hub.page_by_id(page.page().id())
        .send("n", &2)
        .await
        .unwrap();
    visitor.logon("ada").await;
    cluster.settle().await;
    page.set_visitor(&visitor.at(cluster.node(1)).await);
    move_to(&mut page, &cluster, 1).await;
    assert_eq!(page.reset().await, ResetReason::Restart);
    assert_quiet(&mut page).await;
}

#[tokio::test(start_paused = true)]
async fn what_a_page_cannot_get_from_its_former_server_is_dropped_and_counted() {
    let cluster = cluster(2).await;
    let hub = cluster.node(0).hub();
    hub.on_page_message(|_, _| "a reply");
    let visitor = cluster.node(0).visitor().await;
    let page = visitor.page();
    let (id, epoch) = (page.id(), page.epoch().unwrap());
    let query = |attempt| format!("z_pid={id}&client=7&attempt={attempt}&epoch={epoch}&offset=0");
    let mut here = connect(&cluster, (0, &visitor), &query(1)).await.unwrap();
    here.send(r#"{"type":"text","id":1,"data":"1"}"#).await;
    for kind in ["welcome", "text", "seen"] {
        let message: serde_json::Value = here.json().await;
        assert_eq!(message["type"], kind, "{message}");
    }
    // A push of the log is no loss.
    hub.everyone().send("n", &1).await.unwrap();
    let there = visitor.at(cluster.node(1)).await;
    let _there = connect(&cluster, (1, &there), &query(2)).await.unwrap();
    here.text().await;
    let (code, reason) = here.closed().await;
    assert_eq!((code, &*reason), (CloseCode::SUPERSEDED, "reconnected"));
    assert_eq!(hub.stats().pages.superseded_pushes, 1);
}

#[tokio::test(start_paused = true)]
async fn messages_that_the_former_server_has_not_confirmed_are_reported() {
    let cluster = cluster(2).await;
    for node in [0, 1] {
        let hub = cluster.node(node).hub();
        hub.on_page_message(|sent, _| {
            sent.page.push("n", &sent.json::<u32>().unwrap());
        });
    }
    let visitor = cluster.node(0).visitor().await;
    let mut page = page(&cluster, 0, &visitor).await;
    page.send("1").await;
    assert_eq!(numbers(&mut page, 1).await, [1]);
    assert_eq!(page.unseen(), 0);
    // The connection breaks before the answer.
    let _ = timeout(Duration::ZERO, page.send("2")).await;
    page.disconnect().await;
    page.send("3").await;
    move_to(&mut page, &cluster, 1).await;
    assert_eq!(page.unconfirmed(), [Message::text("2")]);
    let mut last = page.receive().await;
    while last == PageReceived::Event("n".to_owned(), 2.into()) {
        last = page.receive().await;
    }
    assert_eq!(last, PageReceived::Event("n".to_owned(), 3.into()));
    assert_eq!(page.unseen(), 0);
}

#[tokio::test(start_paused = true)]
async fn declared_topics_of_a_page_and_its_session_continue_behind_the_last_message() {
    let mut cluster = cluster(2).await;
    let visitor = cluster.node(0).visitor().await;
    let mut page = page(&cluster, 0, &visitor).await;
    // Two of them may be in one lane; one has no history.
    visitor.session().subscribe("said", Room(7)).unwrap();
    page.page().subscribe("said", Room(8)).unwrap();
    page.page().subscribe("said", News(1)).unwrap();
    cluster.settle().await;
    let hub = cluster.node(1).hub().clone();
    let say = async |text: &str| {
        let text = text.to_owned();
        hub.publish(Room(7), &text).await.unwrap();
        hub.publish(Room(8), &text).await.unwrap();
        hub.publish(News(1), &text).await.unwrap();
    };
    say("1").await;
    assert_eq!(texts(&mut page, 3).await, ["1"; 3]);
    page.disconnect().await;
    say("2").await;
    cluster.kill(0).await;
    move_to(&mut page, &cluster, 1).await;
    say("3").await;
    let mut all = texts(&mut page, 6).await;
    all.sort_unstable();
    assert_eq!(all, ["2", "2", "2", "3", "3", "3"]);
    assert_quiet(&mut page).await;
}

#[tokio::test(start_paused = true)]
async fn a_page_whose_subscriptions_have_ended_with_its_stream_gets_a_reset_elsewhere() {
    let cluster = cluster(2).await;
    let visitor = cluster.node(0).visitor().await;
    let mut page = page(&cluster, 0, &visitor).await;
    page.page().subscribe("said", Room(8)).unwrap();
    cluster.settle().await;
    page.disconnect().await;
    // Past the grace time.
    sleep(SECOND * 60).await;
    move_to(&mut page, &cluster, 1).await;
    assert_eq!(page.reset().await, ResetReason::Restart);
}

#[tokio::test(start_paused = true)]
async fn a_loss_that_the_log_takes_only_later_is_a_reset_elsewhere_all_the_same() {
    let cluster = cluster(2).await;
    let visitor = cluster.node(0).visitor().await;
    let mut page = page(&cluster, 0, &visitor).await;
    page.page().subscribe("said", Room(8)).unwrap();
    cluster.settle().await;
    page.disconnect().await;
    cluster.cut(0);
    // Past the grace time, and long after the first attempt to log its end.
    sleep(SECOND * 90).await;
    cluster.heal(0);
    cluster.settle().await;
    move_to(&mut page, &cluster, 1).await;
    assert_eq!(page.reset().await, ResetReason::Restart);
}
