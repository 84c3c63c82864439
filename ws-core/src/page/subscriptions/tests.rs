//! The writes to subscribed pages, and what their subscriptions keep alive.

use std::sync::{Arc, Weak};

use super::*;
use crate::limits::PageLimits;
use crate::outbox::test_doubles::CountingClient;
use crate::page::stream::tests::{fake_socket, run};
use crate::page::{AttachRequest, PageReport, Pages};
use crate::session::Sessions;
use crate::topic::{Burst, Exclude, Receipt, ReceiptKind as _, Topic, Topics};

/// Pages with sockets that count writes.
struct Fixture {
    pages: Vec<Page>,
    clients: Vec<Arc<CountingClient>>,
    topics: Arc<Topics>,
}

fn numbers() -> Topic<u32> {
    Topic::local("numbers")
}

impl Fixture {
    fn new(pages: usize, inline: usize) -> Self {
        let topics = Arc::new(Topics::new(inline, 0));
        let limits = PageLimits::DEFAULT;
        let registry = Pages::new(
            limits,
            inline,
            "z_pid".to_owned(),
            topics.clone(),
            Arc::default(),
        );
        let (mut clients, mut all) = (Vec::new(), Vec::new());
        let (session, _) = run(Sessions::default().begin()).unwrap();
        for _ in 0..pages {
            let page = Page::issue(&registry, &session, None).unwrap();
            let stream = registry.find(page.id()).unwrap();
            let socket = fake_socket();
            let request = AttachRequest {
                route: 1,
                report: PageReport {
                    position: None,
                    client: None,
                    attempt: None,
                    cursor: None,
                },
            };
            registry
                .attach(&stream, &session, request, &socket)
                .unwrap();
            let client = CountingClient::with_room(usize::MAX);
            socket.outbox().connect(Some(client.clone()));
            // Writes the welcome.
            socket.outbox().flush_direct();
            page.subscribe("n", numbers()).unwrap();
            clients.push(client);
            all.push(page);
        }
        Self {
            pages: all,
            clients,
            topics,
        }
    }

    fn publish(&self, number: u32) {
        let topic = numbers().as_topic_ref();
        let outcome = self.topics.publish(topic, &number, Exclude::default());
        assert_eq!(Receipt::of(outcome).reached(), self.pages.len());
    }

    /// The number of writes to each page after the welcome.
    fn writes(&self) -> Vec<usize> {
        let writes = self.clients.iter().map(|client| client.seen().0 - 1);
        writes.collect()
    }
}

#[test]
fn the_events_of_a_burst_leave_in_one_write_for_each_page() {
    let fixture = Fixture::new(3, 1024);
    let burst = Burst::open();
    fixture.publish(1);
    fixture.publish(2);
    assert_eq!(fixture.writes(), [0, 0, 0]);
    burst.flush();
    assert_eq!(fixture.writes(), [1, 1, 1]);
    fixture.publish(3);
    drop(burst);
    assert_eq!(fixture.writes(), [2, 2, 2]);
    let written = String::from_utf8_lossy(&fixture.clients[0].written()).into_owned();
    let data: Vec<_> = written.matches(r#""data":"#).collect();
    assert_eq!(data.len(), 3, "{written}");
    let [first, second] = [1, 2].map(|number| written.find(&format!("\"data\":{number}")));
    assert!(first < second, "{written}");
}

#[test]
fn a_publish_writes_to_as_many_pages_as_publish_inline_allows() {
    let fixture = Fixture::new(3, 2);
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.build().unwrap();
    let entered = runtime.enter();
    fixture.publish(1);
    assert_eq!(fixture.writes().iter().sum::<usize>(), 2);
    drop(entered);
    runtime.block_on(async {
        tokio::task::yield_now().await;
        tokio::task::yield_now().await;
    });
    assert_eq!(fixture.writes(), [1, 1, 1]);
}

#[test]
fn subscribed_pages_keep_no_hub_alive() {
    let fixture = Fixture::new(2, 1024);
    let topics: Weak<Topics> = Arc::downgrade(&fixture.topics);
    drop(fixture);
    assert!(topics.upgrade().is_none());
}
