//! Which server gets a page, and who may take it away from another one.

use std::time::Duration;

use tokio::time::{sleep, timeout};
use ws_server::CloseCode;
use ws_server::cluster::ClusterOptions;
use ws_server::extract::{Bearer, Handshake, NoState};
use ws_server::page::{PAGE_PROTOCOL, ResumeReason, Resumed};
use ws_server::prelude::*;
use ws_server::testkit::{ClientBuilder, Cluster, ResetReason, TestKit, TestPage};

use crate::cursors::connect;
use crate::moving::move_to;
use crate::pushes::{page, page_on};
use crate::rooms::Room;

/// A device that authenticates itself, and counts its messages.
pub(crate) struct Meter {
    count: u32,
}

#[ws_handler]
impl Meter {
    fn init(bearer: Bearer) -> Result<Self, Refusal> {
        match bearer.token() {
            "wrong" => Err(Bearer::invalid()),
            _ => Ok(Meter { count: 0 }),
        }
    }

    fn message(&mut self, text: String) -> String {
        self.count += 1;
        format!("{text} {}", self.count)
    }
}

/// A page that a server may refuse.
struct Desk {
    count: u32,
}

#[ws_handler]
impl Desk {
    fn init(resumed: Resumed, page: Page, handshake: &Handshake) -> Result<Self, Refusal> {
        resumed.subscribe("said", &Room(7))?;
        if handshake.header("x-refused").is_some() {
            return Err(Refusal::FORBIDDEN.body("not here"));
        }
        if resumed.reason() != ResumeReason::New {
            page.push("began", &format!("{:?}", resumed.reason()));
        }
        Ok(Desk { count: 0 })
    }

    fn message(&mut self, text: String) -> String {
        self.count += 1;
        format!("{text} {}", self.count)
    }
}

dispatch! {
    pub(crate) struct Routes;

    meter:  "/meter"  => Meter { attach: page, require_session: false };
    desk:   "/desk"   => Desk { attach: page };
    lamp:   "/lamp"   => PageStream { attach: page, require_session: false };
    stream: "/stream" => PageStream;
}

const OTHER: &str = "the credentials differ from those that this page began with: present these, or \
                     leave out `z_pid` to get another page";

fn set_up(kit: TestKit) -> TestKit {
    kit.with_table(Routes::table(), NoState).unwrap()
}

async fn cluster(nodes: usize) -> Cluster {
    Cluster::with(nodes, set_up).await
}

/// A handshake for the page with this id, and with this token.
pub(crate) fn open(kit: &TestKit, (route, id): (&str, &str), token: &str) -> ClientBuilder {
    let builder = kit.open(&format!("{route}?z_pid={id}"));
    let builder = builder.header("sec-websocket-protocol", PAGE_PROTOCOL);
    builder.header("authorization", &format!("Bearer {token}"))
}

/// A device that is connected to this server.
pub(crate) async fn meter(cluster: &Cluster, node: usize) -> TestPage {
    let page = cluster.node(node).page("/meter").without_cookies();
    let page = page.each_handshake(|it| it.header("authorization", "Bearer t0p"));
    page.connect().await.unwrap()
}

async fn assert_count(page: &mut TestPage, expected: &str) {
    page.send("reading").await;
    assert_eq!(page.text().await, expected);
}

#[tokio::test(start_paused = true)]
async fn an_id_without_the_credentials_of_its_page_does_not_take_it_from_another_server() {
    let cluster = cluster(3).await;
    let mut meter = meter(&cluster, 0).await;
    assert_count(&mut meter, "reading 1").await;
    let id = meter.page().id().to_owned();
    for (node, route) in [(1, "/meter"), (2, "/meter"), (1, "/lamp")] {
        let refusal = open(cluster.node(node), (route, &id), "other");
        let refusal = refusal.connect().await.unwrap_err();
        assert_eq!((refusal.status().as_u16(), refusal.text()), (401, OTHER));
        let response = refusal.into_response();
        let challenge = &response.headers()["www-authenticate"];
        assert_eq!(challenge, "Bearer error=\"invalid_token\"");
    }
    cluster.settle().await;
    // The page has noticed nothing, also while it waits for its client.
    assert_count(&mut meter, "reading 2").await;
    meter.disconnect().await;
    let thief = open(cluster.node(1), ("/meter", &id), "other").connect();
    assert_eq!(thief.await.unwrap_err().status(), 401);
    meter.reconnect().await.unwrap();
    assert_count(&mut meter, "reading 3").await;
}

#[tokio::test(start_paused = true)]
async fn the_same_credentials_take_a_page_to_another_server_also_from_a_dead_one() {
    let mut cluster = cluster(3).await;
    let mut meter = meter(&cluster, 0).await;
    let id = meter.page().id().to_owned();
    let first = open(cluster.node(1), ("/meter", &id), "t0p").connect();
    let _first = first.await.unwrap();
    assert_eq!(meter.closed().await.0, CloseCode::SUPERSEDED);
    // Nobody answers.
    cluster.kill(1).await;
    move_to(&mut meter, &cluster, 2).await;
    assert_eq!(meter.reset().await, ResetReason::Restart);
    assert_count(&mut meter, "reading 1").await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_reads_a_claim_with_other_credentials_late_keeps_its_page() {
    let cluster = cluster(2).await;
    let mut meter = meter(&cluster, 0).await;
    let id = meter.page().id().to_owned();
    cluster.cut(0);
    let thief = open(cluster.node(1), ("/meter", &id), "other").connect();
    let mut thief = thief.await.unwrap();
    cluster.heal(0);
    thief.text().await;
    let (code, reason) = thief.closed().await;
    let expected = "the credentials differ from those that this page began with";
    assert_eq!((code, &*reason), (CloseCode::UNAUTHORIZED, expected));
    cluster.settle().await;
    let counts = [0, 1].map(|node| cluster.node(node).hub().page_count());
    assert_eq!(counts, [1, 0]);
    assert_count(&mut meter, "reading 1").await;
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_init_refuses_leaves_the_page_on_its_server() {
    let mut cluster = cluster(2).await;
    let visitor = cluster.node(0).visitor().await;
    let mut here = page_on(&cluster, 0, &visitor, "/desk").await;
    assert_count(&mut here, "reading 1").await;
    let there = visitor.at(cluster.node(1)).await;
    let builder = cluster.node(1).page("/desk").visitor(&there);
    let builder = builder.page(here.page());
    let refusal = builder.each_handshake(|it| it.header("x-refused", "1"));
    let refusal = refusal.connect().await.unwrap_err();
    assert_eq!(
        (refusal.status().as_u16(), refusal.text()),
        (403, "not here")
    );
    // Past the grace time of what has begun there.
    sleep(Duration::from_secs(60)).await;
    assert_count(&mut here, "reading 2").await;
    let hub = cluster.node(1).hub();
    hub.publish(Room(7), &"1".to_owned()).await.unwrap();
    assert_eq!(here.event::<String>("said").await, "1");
    // What its server hands over counts.
    let refused = async |cluster: &Cluster| {
        let builder = cluster.node(1).page("/desk").visitor(&there);
        let builder = builder.page(here.page());
        let builder = builder.each_handshake(|it| it.header("x-refused", "1"));
        assert_eq!(builder.connect().await.unwrap_err().status(), 403);
    };
    refused(&cluster).await;
    cluster.shut_down(0).await;
    refused(&cluster).await;
    assert_eq!(here.closed().await.0, CloseCode::GOING_AWAY);
    move_to(&mut here, &cluster, 1).await;
    assert_eq!(here.event::<String>("began").await, "Moved");
    assert_count(&mut here, "reading 1").await;
}

#[tokio::test(start_paused = true)]
async fn a_log_that_does_not_answer_holds_no_handshake_for_longer_than_init() {
    let options = ClusterOptions::DEFAULT.publish_timeout(Duration::from_secs(60));
    let cluster = Cluster::with_options(2, options, set_up).await;
    let visitor = cluster.node(0).visitor().await;
    let mut desk = page_on(&cluster, 0, &visitor, "/desk").await;
    let mut stream = page(&cluster, 0, &visitor).await;
    cluster.pause();
    for (page, text) in [
        (&mut desk, "the log does not answer: try again"),
        (&mut stream, "Service Unavailable"),
    ] {
        page.set_server(cluster.node(1));
        let limit = Duration::from_secs(20);
        let refusal = timeout(limit, page.reconnect()).await.expect("a limit");
        let refusal = refusal.unwrap_err();
        assert_eq!((refusal.status().as_u16(), refusal.text()), (503, text));
    }
    cluster.resume().await;
    cluster.settle().await;
    stream.reconnect().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_late_handshake_of_a_page_that_was_handed_over_ends_none_of_its_subscriptions() {
    let mut cluster = cluster(2).await;
    let visitor = cluster.node(0).visitor().await;
    let rendered = visitor.page();
    let (id, epoch) = (rendered.id().to_owned(), rendered.epoch().unwrap());
    let base = rendered.base().unwrap().to_owned();
    let query = |attempt: u32, at: &str| {
        format!("z_pid={id}&client=7&attempt={attempt}&epoch={epoch}&offset=0&base={base}&at={at}")
    };
    let first = connect(&cluster, (0, &visitor), &query(1, ""))
        .await
        .unwrap();
    drop(first);
    cluster.shut_down(0).await;
    let there = visitor.at(cluster.node(1)).await;
    let mut current = connect(&cluster, (1, &there), &query(3, "")).await.unwrap();
    let welcome = current.text().await;
    assert!(welcome.contains(&epoch), "handed over: {welcome}");
    let hub = cluster.node(1).hub();
    let local = ws_server::Topic::<u32>::local("here");
    let page = hub.find_page(there.session(), &id).unwrap();
    page.subscribe("n", &local).unwrap();
    // Sent before, with places of its own.
    let mut late = connect(&cluster, (1, &there), &query(2, "0"))
        .await
        .unwrap();
    late.text().await;
    assert_eq!(hub.publish(&local, &1).reached(), 1);
    let mut received = late.text().await;
    while !received.contains(r#""event":"n""#) {
        received = late.text().await;
    }
}
