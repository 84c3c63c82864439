//! Two servers behind a load balancer that sends each request to any of them.

use std::sync::Arc;

use ws_core::log::shared::{FaultyEngine, FaultyServer};
use ws_server::cluster::Lanes;
use ws_server::session::{MemoryStore, Secrets};

use super::*;
use crate::client::{until, within};

/// Two servers that share a log and a store of sessions.
struct Balanced {
    servers: [Running; 2],
    engines: [FaultyEngine; 2],
    reports: [Reports; 2],
}

impl Balanced {
    async fn start() -> Self {
        let log = FaultyServer::new(Lanes::DEFAULT, 1);
        let store = Arc::new(MemoryStore::new(1_000));
        let engines = [log.connect(), log.connect()];
        let start = async |engine: &FaultyEngine| {
            let secrets = Secrets::new([[7; 32]]).unwrap();
            let (ws, reports) = built(|server| {
                let server = server.engine(engine.clone()).secrets(secrets);
                server.session_store(store.clone())
            });
            ws.ready().await;
            (Running::start(ws).await, reports)
        };
        let (first, second) = (start(&engines[0]).await, start(&engines[1]).await);
        let (servers, reports) = ([first.0, second.0], [first.1, second.1]);
        for server in &servers {
            let knows_both = || server.ws.hub().cluster().unwrap().nodes.len() == 2;
            until("the servers know each other", knows_both).await;
        }
        Self {
            servers,
            engines,
            reports,
        }
    }

    /// The same page, whose requests reach the other server.
    fn elsewhere(&self, page: &TestPage) -> TestPage {
        page.at(self.servers[1].address)
    }
}

#[tokio::test]
async fn messages_that_reach_another_server_are_taken_once_and_in_order() {
    let mut balanced = Balanced::start().await;
    let page = TestPage::new(&balanced.servers[0]).await;
    let elsewhere = balanced.elsewhere(&page);
    let mut down = page.open("/notes", 0).await;
    assert_eq!(down.line().await["type"], "welcome");
    for id in 1..=20 {
        let target = format!("{}&post={id}", page.attached("/notes", &down.attachment));
        let body = text(id, &id.to_string());
        let sender = if id % 2 == 0 { &page } else { &elsewhere };
        assert_eq!(sender.ask(&target, &[TYPE, ORIGIN], &body).await.0, 204);
        // A proxy may repeat it, at any server.
        let again = if id % 3 == 0 { &page } else { &elsewhere };
        assert_eq!(again.ask(&target, &[TYPE, ORIGIN], &body).await.0, 204);
    }
    for id in 1..=20 {
        assert_eq!(balanced.reports[0].next().await, format!("Text(\"{id}\")"));
    }
    let mut echoes = Vec::new();
    while echoes.len() < 20 {
        let line = within("an echo", down.line()).await;
        if line["type"] == "text" {
            echoes.push(line["data"].as_str().unwrap().parse::<u32>().unwrap());
        }
    }
    assert_eq!(echoes, (1..=20).collect::<Vec<_>>());
    assert_eq!(balanced.reports[1].received(), Vec::<String>::new());
    // Without numbers, the ids of the messages decide.
    assert_eq!(elsewhere.post("/notes", &down, &text(20, "20")).await, 204);
    let bye = r#"{"type":"bye"}"#;
    assert_eq!(elsewhere.post("/notes", &down, bye).await, 204);
    assert_eq!(down.until_close().await.0, 1000);
    assert_eq!(balanced.reports[0].next().await, "ClientClosed 1001");
    assert_eq!(elsewhere.post("/notes", &down, bye).await, 409);
}

#[tokio::test]
async fn another_server_checks_a_post_as_its_own_server_does() {
    let mut balanced = Balanced::start().await;
    let page = TestPage::new(&balanced.servers[0]).await;
    let elsewhere = balanced.elsewhere(&page);
    let down = page.open("/notes", 0).await;
    let same_session = TestPage::of(&balanced.servers[1], page.browser.clone()).await;
    let same_session = balanced.elsewhere(&same_session);
    let other = TestPage::new(&balanced.servers[1]).await;
    let (body, lines) = (text(1, "forged"), [TYPE, ORIGIN]);
    let token = &*down.attachment;
    let own = page.attached("/notes", token);
    for (expected, sender, target) in [
        (409, &elsewhere, page.attached("/alive", token)),
        (409, &elsewhere, page.attached("/notes", &token[1..])),
        (409, &same_session, same_session.attached("/notes", token)),
        (409, &other, other.attached("/notes", token)),
        (403, &other, own.clone()),
        (400, &elsewhere, format!("/notes?attachment={token}")),
        (400, &elsewhere, format!("{own}&post=0")),
        (400, &elsewhere, format!("{own}&post=+1")),
        (400, &elsewhere, format!("{own}&post=1&post=1")),
    ] {
        let (status, answer) = sender.ask(&target, &lines, &body).await;
        assert_eq!(status, expected, "{target}: {answer}");
    }
    for (expected, lines) in [
        (403, &[TYPE][..]),
        (403, &[TYPE, "Origin: https://evil.example"]),
        (415, &[ORIGIN, "Content-Type: text/plain"]),
    ] {
        assert_eq!(elsewhere.ask(&own, lines, &body).await.0, expected);
    }
    let large = "x".repeat(usize::try_from(down.limit).unwrap() + 1);
    assert_eq!(elsewhere.ask(&own, &lines, &large).await.0, 413);
    // Nothing of that has reached the handler.
    assert_eq!(elsewhere.post("/notes", &down, &text(1, "own")).await, 204);
    assert_eq!(balanced.reports[0].next().await, r#"Text("own")"#);
}

#[tokio::test]
async fn a_post_that_cannot_be_passed_on_may_be_tried_again() {
    let mut balanced = Balanced::start().await;
    let page = TestPage::new(&balanced.servers[0]).await;
    let elsewhere = balanced.elsewhere(&page);
    let down = page.open("/notes", 0).await;
    balanced.engines[1].cut();
    let target = page.attached("/notes", &down.attachment) + "&post=1";
    let request = elsewhere.request(&target, &[TYPE, ORIGIN], &text(1, "a"));
    let address = balanced.servers[1].address;
    let (head, body) = Client::ask(address, &request).await;
    assert_eq!((head.status, head.header("retry-after")), (503, Some("1")));
    assert_eq!(
        body,
        "the server of the attachment cannot be reached; try again\n"
    );
    balanced.engines[1].heal();
    let mut status = 503;
    while status == 503 {
        status = Client::ask(address, &request).await.0.status;
    }
    assert_eq!(status, 204);
    assert_eq!(page.post("/notes", &down, &text(2, "b")).await, 204);
    let report = &mut balanced.reports[0];
    assert_eq!(report.next().await, r#"Text("a")"#);
    assert_eq!(report.next().await, r#"Text("b")"#);
}

#[tokio::test]
async fn a_stream_goes_on_at_another_server_when_its_own_has_ended() {
    let mut balanced = Balanced::start().await;
    let page = TestPage::new(&balanced.servers[0]).await;
    let elsewhere = balanced.elsewhere(&page);
    let mut down = page.open("/stream", 0).await;
    balanced.servers[0].stop();
    assert_eq!(down.until_close().await.0, 1001);
    balanced.servers[0].stopped().await;
    let hub = balanced.servers[1].ws.hub();
    let knows_its_end = || hub.cluster().unwrap().nodes.len() == 1;
    until("the end is known", knows_its_end).await;
    let ping = r#"{"type":"ping"}"#;
    assert_eq!(elsewhere.post("/stream", &down, ping).await, 409);
    let mut down = elsewhere.open("/stream", 0).await;
    assert_eq!(down.line().await["type"], "welcome");
    assert_eq!(elsewhere.post("/stream", &down, ping).await, 204);
}
