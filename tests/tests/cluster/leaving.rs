//! Pages of a server that ends by a signal.

use std::time::Duration;

use tokio::time::sleep;
use ws_server::extract::NoState;
use ws_server::page::{ResumeReason, Resumed};
use ws_server::prelude::*;
use ws_server::testkit::{Cluster, PageReceived, ResetReason};

use crate::cursors::connect;
use crate::moving::move_to;
use crate::pushes::{cluster, connect_rendered, page, page_on};
use crate::rooms::Room;

/// Shows a room, and why it has begun.
struct Chat {
    room: Room,
}

#[ws_handler]
impl Chat {
    fn init(resumed: Resumed, page: Page) -> Result<Self, Refusal> {
        let room = Room(7);
        resumed.subscribe("said", &room)?;
        if resumed.reason() != ResumeReason::New {
            page.push("began", &format!("{:?}", resumed.reason()));
        }
        Ok(Chat { room })
    }

    fn message(&mut self, text: String, hub: &Hub) {
        hub.publish(&self.room, &text);
    }
}

/// Does not restore a page that returns.
struct Plain;

#[ws_handler]
impl Plain {
    fn init(socket: &Socket<Self>) -> Self {
        socket.subscribe(Room(7));
        Plain
    }

    fn message(&mut self, text: String) -> String {
        text
    }
}

dispatch! {
    struct Routes;

    chat: "/chat" => Chat { attach: page };

    plain: "/plain" => Plain { attach: page };
}

async fn chats() -> Cluster {
    let set_up =
        |kit: ws_server::testkit::TestKit| kit.with_table(Routes::table(), NoState).unwrap();
    Cluster::with(2, set_up).await
}

fn take_numbers(cluster: &Cluster) {
    for node in 0..cluster.node_count() {
        let hub = cluster.node(node).hub();
        hub.on_page_message(|sent, hub| {
            hub.broadcast("n", &sent.json::<u32>().unwrap());
        });
    }
}

#[tokio::test(start_paused = true)]
async fn the_messages_of_a_page_are_taken_once_over_the_end_of_its_server() {
    let mut cluster = cluster(2).await;
    take_numbers(&cluster);
    let visitor = cluster.node(0).visitor().await;
    let mut page = page(&cluster, 0, &visitor).await;
    for number in 0..20 {
        page.send(number.to_string()).await;
    }
    cluster.shut_down(0).await;
    let mut events: Vec<u32> = Vec::new();
    let mut add = |received| match received {
        PageReceived::Event(_, data) => events.push(data.as_u64().unwrap().try_into().unwrap()),
        PageReceived::Closed(..) => {}
        other => panic!("{other:?}"),
    };
    page.received_so_far().await.into_iter().for_each(&mut add);
    // The server has not read these.
    for number in 20..30 {
        page.send(number.to_string()).await;
    }
    move_to(&mut page, &cluster, 1).await;
    sleep(Duration::from_secs(1)).await;
    page.received_so_far().await.into_iter().for_each(&mut add);
    assert_eq!(events, (0..30).collect::<Vec<_>>());
    assert_eq!(page.unconfirmed(), []);
    assert_eq!(page.unseen(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_page_that_has_lost_its_connection_before_the_end_sends_the_rest_elsewhere() {
    let mut cluster = cluster(2).await;
    take_numbers(&cluster);
    let visitor = cluster.node(0).visitor().await;
    let mut page = page(&cluster, 0, &visitor).await;
    page.send("1").await;
    page.disconnect().await;
    page.send("2").await;
    cluster.shut_down(0).await;
    move_to(&mut page, &cluster, 1).await;
    assert_eq!(page.event::<u32>("n").await, 1);
    assert_eq!(page.event::<u32>("n").await, 2);
    assert_eq!(page.received_so_far().await, []);
    assert_eq!(page.unconfirmed(), []);
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_the_page_has_not_received_is_a_loss() {
    let mut cluster = cluster(2).await;
    let hub = cluster.node(0).hub();
    hub.on_page_message(|_, _| "a reply");
    let visitor = cluster.node(0).visitor().await;
    let page = visitor.page();
    let (id, epoch) = (page.id().to_owned(), page.epoch().unwrap());
    let base = page.base().unwrap();
    let query = format!("z_pid={id}&client=7&epoch={epoch}&offset=0&base={base}&at=");
    let mut client = connect(&cluster, (0, &visitor), &query).await.unwrap();
    client.send(r#"{"type":"text","id":1,"data":"1"}"#).await;
    client.reset().await;
    cluster.shut_down(0).await;
    let there = visitor.at(cluster.node(1)).await;
    let mut client = connect(&cluster, (1, &there), &query).await.unwrap();
    let welcome = client.text().await;
    assert!(
        !welcome.contains("continued") && !welcome.contains(&epoch),
        "{welcome}"
    );
    let reset = client.text().await;
    assert!(reset.contains(r#""why":"restart""#), "{reset}");
}

#[tokio::test(start_paused = true)]
async fn a_handler_begins_again_elsewhere_and_its_topics_continue() {
    let mut cluster = chats().await;
    let visitor = cluster.node(0).visitor().await;
    let mut page = page_on(&cluster, 0, &visitor, "/chat").await;
    page.send("1").await;
    assert_eq!(page.event::<String>("said").await, "1");
    cluster.shut_down(0).await;
    let received = page.received_so_far().await;
    assert!(
        matches!(&*received, [PageReceived::Closed(..)]),
        "{received:?}"
    );
    let hub = cluster.node(1).hub();
    hub.publish(Room(7), &"2".to_owned()).await.unwrap();
    move_to(&mut page, &cluster, 1).await;
    assert_eq!(page.event::<String>("said").await, "2");
    assert_eq!(page.event::<String>("began").await, "Moved");
    page.send("3").await;
    assert_eq!(page.event::<String>("said").await, "3");
    assert_eq!(page.received_so_far().await, []);
}

#[tokio::test(start_paused = true)]
async fn the_page_of_a_handler_on_a_killed_server_gets_a_reset() {
    let mut cluster = chats().await;
    let visitor = cluster.node(0).visitor().await;
    let mut page = page_on(&cluster, 0, &visitor, "/chat").await;
    page.send("1").await;
    assert_eq!(page.event::<String>("said").await, "1");
    page.disconnect().await;
    cluster.kill(0).await;
    move_to(&mut page, &cluster, 1).await;
    assert_eq!(page.reset().await, ResetReason::Restart);
    assert_eq!(page.event::<String>("began").await, "Lost");
    let hub = cluster.node(1).hub();
    hub.publish(Room(7), &"2".to_owned()).await.unwrap();
    assert_eq!(page.event::<String>("said").await, "2");
}

/// A balancer may send the page and its stream to different servers.
#[tokio::test(start_paused = true)]
async fn a_page_that_another_server_has_rendered_is_new_for_a_handler() {
    let cluster = chats().await;
    let visitor = cluster.node(0).visitor().await;
    let rendered = visitor.page();
    let hub = cluster.node(0).hub();
    hub.publish(Room(7), &"1".to_owned()).await.unwrap();
    let mut page = connect_rendered(&cluster, 1, (&visitor, &rendered), "/chat").await;
    // What was published since it was rendered, and no "began".
    assert_eq!(page.event::<String>("said").await, "1");
    page.send("2").await;
    assert_eq!(page.event::<String>("said").await, "2");
    assert_eq!(page.received_so_far().await, []);
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_does_not_restore_its_page_makes_it_begin_again_elsewhere() {
    let mut cluster = chats().await;
    let visitor = cluster.node(0).visitor().await;
    let mut page = page_on(&cluster, 0, &visitor, "/plain").await;
    page.send("1").await;
    assert_eq!(page.text().await, "1");
    cluster.shut_down(0).await;
    page.received_so_far().await;
    move_to(&mut page, &cluster, 1).await;
    assert_eq!(page.reset().await, ResetReason::Restart);
    page.send("2").await;
    assert_eq!(page.text().await, "2");
}

#[tokio::test(start_paused = true)]
async fn what_a_server_has_handed_over_is_not_taken_again_after_a_second_move() {
    let mut cluster = cluster(3).await;
    take_numbers(&cluster);
    let visitor = cluster.node(0).visitor().await;
    let mut page = page(&cluster, 0, &visitor).await;
    page.send("1").await;
    assert_eq!(page.event::<u32>("n").await, 1);
    cluster.shut_down(0).await;
    page.received_so_far().await;
    move_to(&mut page, &cluster, 1).await;
    page.send("2").await;
    assert_eq!(page.event::<u32>("n").await, 2);
    // The third server still remembers what the first one has handed over.
    move_to(&mut page, &cluster, 2).await;
    page.send("3").await;
    assert_eq!(page.event::<u32>("n").await, 3);
    assert_eq!(page.received_so_far().await, []);
}

#[tokio::test(start_paused = true)]
async fn a_page_that_another_server_has_rendered_gets_the_replay_of_its_subscription() {
    let cluster = cluster(2).await;
    let visitor = cluster.node(0).visitor().await;
    let hub = cluster.node(0).hub();
    for number in ["1", "2"] {
        hub.publish(Room(7), &number.to_owned()).await.unwrap();
    }
    let rendered = visitor.page();
    rendered.subscribe("said", Room(7).replay(20)).unwrap();
    hub.publish(Room(7), &"3".to_owned()).await.unwrap();
    cluster.settle().await;
    let mut page = connect_rendered(&cluster, 1, (&visitor, &rendered), "/stream").await;
    for number in ["1", "2", "3"] {
        assert_eq!(page.event::<String>("said").await, number);
    }
    assert_eq!(page.received_so_far().await, []);
}

/// More pages than a server logs notices at once.
#[tokio::test(start_paused = true)]
async fn a_server_hands_over_all_of_its_pages_however_many_they_are() {
    let mut cluster = cluster(2).await;
    let mut rendered = Vec::new();
    for _ in 0..80 {
        let visitor = cluster.node(0).visitor().await;
        for _ in 0..125 {
            rendered.push((visitor.clone(), visitor.page()));
        }
    }
    cluster.shut_down(0).await;
    for (visitor, page) in rendered.iter().step_by(50) {
        let there = visitor.at(cluster.node(1)).await;
        let (id, epoch) = (page.id(), page.epoch().unwrap());
        let base = page.base().unwrap();
        let query = format!("z_pid={id}&client=7&epoch={epoch}&offset=0&base={base}&at=");
        let mut client = connect(&cluster, (1, &there), &query).await.unwrap();
        let welcome = client.text().await;
        assert!(welcome.contains(&epoch), "the epoch goes on: {welcome}");
    }
}
