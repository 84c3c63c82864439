//! Topics over TCP: one order for all subscribers.

use std::sync::Arc;

use tokio::sync::Barrier;
use tokio::task::JoinHandle;
use ws_server::Policy;
use ws_server::prelude::*;

use crate::client::{Client, close, within};
use crate::running::{Reporter, Running};

fn news() -> Topic<Message> {
    Topic::local("news")
}

/// Subscribes to all news.
struct Reader;

#[ws_handler]
impl Reader {
    fn init(socket: &Socket<Self>) -> Self {
        socket.subscribe(news());
        Reader
    }

    fn message(&mut self, text: String, hub: &Hub, socket: &Socket<Self>) {
        match text.strip_prefix("to others: ") {
            Some(text) => hub.publish_except(news(), &Message::text(text.to_owned()), socket),
            None => hub.publish(news(), &Message::text(text)),
        };
    }
}

/// Subscribes to the news, with a policy that drops messages if it reads too slowly.
struct Lossy(Reporter);

#[ws_handler]
impl Lossy {
    fn init(State(reporter): State<Reporter>, socket: &Socket<Self>) -> Self {
        socket.subscribe_with(news(), Policy::DropOldest);
        Lossy(reporter)
    }

    fn message(&mut self, _: String, socket: &Socket<Self>) {
        self.0.report(socket.dropped().to_string());
    }
}

dispatch! {
    struct Routes;
    state: Reporter;

    defaults { require_session: false }

    reader: "/reader" => Reader { outbox: 64 MiB, outbox_frames: 100_000 };
    lossy:  "/lossy"  => Lossy { outbox: 16 KiB };
}

async fn running(inline: usize) -> (Running, crate::running::Reports) {
    let (reporter, reports) = Reporter::new();
    let ws = Server::new(Routes::table())
        .state(reporter)
        .publish_inline(inline);
    (Running::start(ws.build().unwrap()).await, reports)
}

/// Publishes from two tasks that start at the same time.
async fn publish_from_two(server: &Running, count: usize, padding: usize) {
    let start = Arc::new(Barrier::new(2));
    let publishers = ["a", "b"].map(|name| {
        let (hub, start) = (server.ws.hub(), start.clone());
        tokio::spawn(async move {
            start.wait().await;
            for n in 0..count {
                let text = format!("{name} {n} {}", "x".repeat(padding));
                hub.publish(news(), &Message::text(text));
                if n % 16 == 0 {
                    tokio::task::yield_now().await;
                }
            }
        })
    });
    for publisher in publishers {
        within("a publisher ends", publisher).await.unwrap();
    }
    server.ws.hub().publish(news(), &Message::text("the end"));
}

async fn until_the_end(client: &mut Client) -> Vec<String> {
    let mut got = Vec::new();
    loop {
        let text = client.text().await;
        if text == "the end" {
            return got;
        }
        got.push(text.trim_end_matches('x').trim_end().to_owned());
    }
}

/// Subscribers that read while others publish.
async fn reading(server: &Running, count: usize) -> Vec<JoinHandle<Vec<String>>> {
    let mut readers = Vec::new();
    for _ in 0..count {
        let mut reader = server.open("/reader").await;
        readers.push(tokio::spawn(
            async move { until_the_end(&mut reader).await },
        ));
    }
    readers
}

/// Checks that all readers received the same messages, and returns them.
async fn same_for_all(readers: Vec<JoinHandle<Vec<String>>>) -> Vec<String> {
    let mut all = Vec::new();
    for reader in readers {
        all.push(within("a reader ends", reader).await.unwrap());
    }
    let first = all.swap_remove(0);
    assert!(all.iter().all(|got| *got == first), "another order");
    first
}

/// The numbers of one publisher, in the order of arrival.
fn of(name: &str, got: &[String]) -> Vec<usize> {
    let mine = got
        .iter()
        .filter_map(|text| text.strip_prefix(name)?.strip_prefix(' '));
    mine.map(|number| number.parse().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_subscribers_get_two_publishers_in_the_same_order() {
    let (server, mut reports) = running(1024).await;
    let mut slow = server.open("/lossy").await;
    let readers = reading(&server, 4).await;
    publish_from_two(&server, 1000, 8000).await;

    let first = same_for_all(readers).await;
    assert_eq!(first.len(), 2000);
    assert_eq!(of("a", &first), (0..1000).collect::<Vec<_>>());
    assert_eq!(of("b", &first), (0..1000).collect::<Vec<_>>());
    // A slow reader has missed some messages; the others arrived in the same order.
    let left = until_the_end(&mut slow).await;
    let mut rest = first.iter();
    for text in &left {
        assert!(rest.any(|other| other == text), "{text} is out of order");
    }
    slow.send_text("how many?").await;
    let dropped: usize = reports.next().await.parse().unwrap();
    assert_eq!(left.len() + dropped, 2000);
    assert!(dropped > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subscribers_beyond_publish_inline_get_everything_in_order() {
    let (server, _reports) = running(2).await;
    let readers = reading(&server, 9).await;
    assert_eq!(server.ws.hub().subscriber_count(news()), 9);
    publish_from_two(&server, 2000, 10).await;
    assert_eq!(same_for_all(readers).await.len(), 4000);
}

#[tokio::test]
async fn clients_can_publish_to_each_other() {
    let (server, _reports) = running(1).await;
    let mut readers = Vec::new();
    for _ in 0..3 {
        readers.push(server.open("/reader").await);
    }
    readers[0].send_text("to all").await;
    readers[0].send_text("to others: psst").await;
    readers[0].send_text("to all again").await;
    assert_eq!(readers[0].text().await, "to all");
    assert_eq!(readers[0].text().await, "to all again");
    for reader in &mut readers[1..] {
        for text in ["to all", "psst", "to all again"] {
            assert_eq!(reader.text().await, text);
        }
    }
}

#[tokio::test]
async fn a_closed_connection_is_not_a_subscriber() {
    let (server, _reports) = running(1024).await;
    let hub = server.ws.hub();
    let mut stays = server.open("/reader").await;
    for _ in 0..10 {
        let mut leaves = server.open("/reader").await;
        leaves.send(close(1000, "")).await;
        leaves.close_frame().await;
        leaves.end().await;
        assert_eq!(
            hub.publish(news(), &Message::text("still there?"))
                .reached(),
            1
        );
        assert_eq!(stays.text().await, "still there?");
    }
    assert_eq!(hub.subscriber_count(news()), 1);
}
