//! The stream of a page: pushes arrive once and in order, over any number of connections.

use serde_json::json;
use ws_core::testkit::{TestKit, TestVisitor};
use ws_server::extract::NoState;
use ws_server::limits::{PageLimits, ServerLimits};
use ws_server::prelude::*;

use crate::journal::{secs, settle};
use crate::tab::{Tab, TabEvent, event};

mod anonymous;
mod bad_input;
mod blocking;
mod ending;
mod handlers;
mod kit;
mod memory;
mod random;
mod recovery;
mod scopes;
mod session_topics;
mod spread;
mod stalled;
mod topics;

dispatch! {
    struct Routes;

    stream: "/stream" => PageStream;
    other:  "/other"  => PageStream;
    small:  "/small"  => PageStream { outbox: 32 KiB };
}

/// A server with page streams, and a visitor.
async fn server() -> (TestKit, TestVisitor) {
    served(PageLimits::DEFAULT).await
}

async fn served(pages: PageLimits) -> (TestKit, TestVisitor) {
    let limits = ServerLimits::DEFAULT.pages(pages);
    let kit = TestKit::with_limits(limits);
    let kit = kit.with_table(Routes::table(), NoState).unwrap();
    let visitor = kit.visitor().await;
    (kit, visitor)
}

fn numbers(numbers: impl IntoIterator<Item = u64>) -> Vec<TabEvent> {
    numbers.into_iter().map(|n| event("n", n)).collect()
}

#[tokio::test(start_paused = true)]
async fn pushes_before_the_page_attaches_arrive_in_order() {
    let (kit, visitor) = server().await;
    let page = visitor.page();
    for n in 1..=3_u64 {
        assert_eq!(page.push("n", &n), 1);
    }
    let mut tab = Tab::of(&kit, &visitor, "/stream", &page).connected().await;
    assert_eq!(page.push("n", &4_u64), 1);
    assert_eq!(tab.received_so_far().await, numbers(1..=4));
}

#[tokio::test(start_paused = true)]
async fn messages_lost_with_a_connection_are_sent_again_and_received_ones_are_not() {
    let (kit, visitor) = server().await;
    let page = visitor.page();
    let mut tab = Tab::of(&kit, &visitor, "/stream", &page).connected().await;
    page.push("n", &1_u64);
    assert_eq!(tab.received_so_far().await, numbers([1]));
    // Written to a broken connection that nothing reads.
    page.push("n", &2_u64);
    tab.disconnect().await;
    page.push("n", &3_u64);
    tokio::time::sleep(secs(10)).await;
    tab.connect().await.unwrap();
    assert_eq!(tab.received_so_far().await, numbers(2..=3));
    // Received, but the acknowledgement is lost.
    tab.acknowledges = false;
    page.push("n", &4_u64);
    assert_eq!(tab.received_so_far().await, numbers([4]));
    tab.disconnect().await;
    tab.connect().await.unwrap();
    assert_eq!(tab.received_so_far().await, []);
}

#[tokio::test(start_paused = true)]
async fn a_page_without_a_connection_ends_after_its_grace_time_and_not_before() {
    let (kit, visitor) = server().await;
    let page = visitor.page();
    let mut tab = Tab::of(&kit, &visitor, "/stream", &page).connected().await;
    page.push("n", &1_u64);
    assert_eq!(tab.received_so_far().await, numbers([1]));
    tab.disconnect().await;
    tokio::time::sleep(secs(19)).await;
    assert_eq!((page.push("n", &2_u64), kit.hub().page_count()), (1, 1));
    tokio::time::sleep(secs(2)).await;
    assert_eq!((page.push("n", &3_u64), kit.hub().page_count()), (0, 0));
    tab.connect().await.unwrap();
    assert_eq!(
        tab.received_so_far().await,
        [TabEvent::Reset("restart".to_owned())]
    );
    page.push("n", &4_u64);
    assert_eq!(tab.received_so_far().await, numbers([4]));
    // A page does not end while it is connected.
    assert_eq!(tab.stay(100).await, []);
    assert_eq!(page.push("n", &5_u64), 1);
}

#[tokio::test(start_paused = true)]
async fn a_page_that_never_connects_ends_after_its_grace_time() {
    let (kit, visitor) = server().await;
    let page = visitor.page();
    assert_eq!(kit.hub().page_count(), 1);
    tokio::time::sleep(secs(21)).await;
    assert_eq!((kit.hub().page_count(), page.push("n", &1)), (0, 0));
    let mut tab = Tab::of(&kit, &visitor, "/stream", &page).connected().await;
    let reset = TabEvent::Reset("restart".to_owned());
    assert_eq!(
        tab.received_so_far().await,
        [reset],
        "the reset reports the gap"
    );
}

#[tokio::test(start_paused = true)]
async fn a_page_without_an_epoch_gets_the_queue_without_a_reset() {
    let (kit, visitor) = server().await;
    let page = visitor.page();
    page.push("n", &1_u64);
    let mut tab = Tab::of(&kit, &visitor, "/stream", &page);
    tab.epoch = None;
    let mut tab = tab.connected().await;
    assert_eq!(tab.received_so_far().await, numbers([1]));
}

#[tokio::test(start_paused = true)]
async fn a_queue_past_its_limit_becomes_a_reset() {
    let limits = PageLimits::DEFAULT.messages(4);
    let (kit, visitor) = served(limits).await;
    let page = visitor.page();
    for n in 1..=6_u64 {
        page.push("n", &n);
    }
    let mut tab = Tab::of(&kit, &visitor, "/stream", &page).connected().await;
    let overflow = TabEvent::Reset("overflow".to_owned());
    assert_eq!(
        tab.received_so_far().await,
        [overflow.clone(), event("n", 6)]
    );
    // Also in the middle of a connection.
    tab.acknowledges = false;
    for n in 7..=12_u64 {
        page.push("n", &n);
    }
    let got = tab.received_so_far().await;
    let expected = [numbers(7..=10), vec![overflow], numbers([12])].concat();
    assert_eq!(got, expected);
}

#[tokio::test(start_paused = true)]
async fn the_newest_connection_owns_the_page_and_the_older_is_closed_with_4409() {
    let (kit, visitor) = server().await;
    let page = visitor.page();
    let mut first = Tab::of(&kit, &visitor, "/stream", &page).connected().await;
    let mut second = Tab::of(&kit, &visitor, "/stream", &page).connected().await;
    assert_eq!(page.push("n", &1_u64), 1);
    // It is another script, which has not received what the first one has.
    let restart = TabEvent::Reset("restart".to_owned());
    assert_eq!(second.received_so_far().await, [restart, event("n", 1)]);
    let superseded = TabEvent::Closed(4409, "another socket has the page".to_owned());
    assert_eq!(first.received_so_far().await, [superseded]);
    // When the older connection ends, the newer one keeps the page.
    assert_eq!(second.stay(30).await, []);
    page.push("n", &2_u64);
    assert_eq!(second.received_so_far().await, numbers([2]));
}

#[tokio::test(start_paused = true)]
async fn two_tabs_with_one_page_do_not_mistake_each_others_seen_for_their_own() {
    let (kit, visitor) = server().await;
    let received = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let journal = received.clone();
    kit.hub().on_page_message(move |sent, _| {
        let text = sent.message.as_text().unwrap().to_owned();
        journal.lock().unwrap().push(text);
    });
    let page = visitor.page();
    let mut one = Tab::of(&kit, &visitor, "/stream", &page).connected().await;
    let mut two = Tab::of(&kit, &visitor, "/stream", &page);
    // The first tab does not know that its connection is broken. Its message reaches no server.
    one.disconnect().await;
    one.send("of one").await;
    two.connect().await.unwrap();
    two.send("of two").await;
    assert_eq!(
        two.received_so_far().await,
        [TabEvent::Reset("restart".to_owned())]
    );
    assert_eq!(two.unseen(), 0);
    one.connect().await.unwrap();
    assert_eq!(
        one.received_so_far().await,
        [TabEvent::Reset("restart".to_owned())]
    );
    assert_eq!(one.unconfirmed, ["of one"]);
    one.send("again").await;
    assert_eq!(one.received_so_far().await, []);
    assert_eq!(*received.lock().unwrap(), ["of two", "again"]);
}

#[tokio::test(start_paused = true)]
async fn a_page_that_sends_bye_ends_at_once() {
    let (kit, visitor) = server().await;
    let page = visitor.page();
    let mut tab = Tab::of(&kit, &visitor, "/stream", &page).connected().await;
    tab.send_raw(&json!({"type": "bye"})).await;
    assert_eq!(tab.next().await, TabEvent::Closed(1000, String::new()));
    settle().await;
    assert_eq!(kit.hub().page_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_ping_of_the_page_is_answered() {
    let (kit, visitor) = server().await;
    let mut tab = Tab::new(&kit, &visitor, "/stream").connected().await;
    tab.send_raw(&json!({"type": "ping"})).await;
    assert_eq!(tab.next().await, TabEvent::Other(json!({"type": "pong"})));
}

#[tokio::test(start_paused = true)]
async fn a_page_stream_requires_its_own_subprotocol() {
    let (kit, visitor) = server().await;
    let refused = kit.open("/stream").visitor(&visitor).connect().await;
    let refusal = refused.unwrap_err();
    assert_eq!(refusal.status(), 400);
    let text = "this is a page stream: offer the subprotocol `page.v1`";
    assert_eq!(refusal.text(), text);
    let builder = kit.open("/stream").visitor(&visitor);
    let builder = builder.header("sec-websocket-protocol", "v1.chat, page.v1");
    let mut client = builder.connect().await.unwrap();
    assert!(client.text().await.starts_with(r#"{"type":"welcome","#));
}

#[tokio::test(start_paused = true)]
async fn a_page_attaches_at_one_route() {
    let (kit, visitor) = server().await;
    let page = visitor.page();
    let _tab = Tab::of(&kit, &visitor, "/stream", &page).connected().await;
    let mut other = Tab::of(&kit, &visitor, "/other", &page);
    let elsewhere = (409, "this page is attached at another route".to_owned());
    assert_eq!(other.connect().await, Err(elsewhere));
}

#[tokio::test(start_paused = true)]
async fn the_pages_of_a_session_are_limited() {
    let limits = PageLimits::DEFAULT.per_session(2);
    let (kit, visitor) = served(limits).await;
    let oldest = visitor.page();
    let _one = Tab::new(&kit, &visitor, "/stream").connected().await;
    let third = visitor.page();
    assert_eq!((oldest.push("n", &1), third.push("n", &1)), (0, 1));
    let _two = Tab::of(&kit, &visitor, "/stream", &third).connected().await;
    let mut tab = Tab::new(&kit, &visitor, "/stream");
    let refused = (429, "this session has too many pages".to_owned());
    assert_eq!(tab.connect().await, Err(refused));
    let other = kit.visitor().await;
    Tab::new(&kit, &other, "/stream").connected().await;
}

#[tokio::test]
async fn pages_that_connect_at_once_do_not_exceed_the_limit_of_a_session() {
    let limits = PageLimits::DEFAULT.per_session(2);
    let (_kit, visitor) = served(limits).await;
    let max_count = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..500 {
                    visitor.page();
                    let count = visitor.session().push("n", &1);
                    max_count.fetch_max(count, std::sync::atomic::Ordering::Relaxed);
                }
            });
        }
    });
    assert_eq!(max_count.into_inner(), 2);
}

#[tokio::test(start_paused = true)]
async fn messages_of_a_page_reach_the_application_once_and_in_order() {
    let (kit, visitor) = server().await;
    let received = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let journal = received.clone();
    kit.hub().on_page_message(move |sent, _| {
        let text = sent.message.as_text().unwrap().to_owned();
        journal.lock().unwrap().push(text.clone());
        sent.page.push("n", &1_u64);
        format!("received {text}")
    });
    let mut tab = Tab::new(&kit, &visitor, "/stream").connected().await;
    tab.send("a").await;
    tab.send("b").await;
    let reply = |text: &str| TabEvent::Text(format!("received {text}"));
    let expected = [event("n", 1), reply("a"), event("n", 1), reply("b")];
    assert_eq!(tab.received_so_far().await, expected);
    assert_eq!(tab.unseen(), 0);
    // If the connection breaks before the answer, the message is sent again and delivered once.
    tab.send("c").await;
    settle().await;
    tab.disconnect().await;
    assert_eq!(tab.unseen(), 1);
    tab.connect().await.unwrap();
    assert_eq!(tab.received_so_far().await, [event("n", 1), reply("c")]);
    assert_eq!(*received.lock().unwrap(), ["a", "b", "c"]);
}

#[tokio::test(start_paused = true)]
async fn messages_of_pages_go_to_a_topic() {
    let (kit, visitor) = server().await;
    let topic: Topic<u64> = Topic::local("numbers");
    kit.hub().publish_page_messages(topic.clone());
    let listener = kit.handler::<crate::pages::handlers::Listener>();
    let mut listener = listener.connect().await.unwrap();
    let mut tab = Tab::new(&kit, &visitor, "/stream").connected().await;
    tab.send("7").await;
    assert_eq!(listener.text().await, "7");
    tab.send("no number").await;
    let closed = TabEvent::Closed(1007, "undecodable payload".to_owned());
    assert_eq!(tab.received_so_far().await, [closed]);
}

#[tokio::test(start_paused = true)]
async fn messages_of_a_page_without_a_receiver_are_refused_with_1003() {
    let (kit, visitor) = server().await;
    let mut tab = Tab::new(&kit, &visitor, "/stream").connected().await;
    tab.send("hello").await;
    let closed = TabEvent::Closed(
        1003,
        "this server does not accept messages of pages".to_owned(),
    );
    assert_eq!(tab.next().await, closed);
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_the_application_closes_the_connection_and_the_page_survives() {
    let (kit, visitor) = server().await;
    kit.hub().on_page_message(|sent, _| {
        assert_ne!(sent.message.as_text(), Some("panic"), "on command");
        sent.message.clone()
    });
    let mut tab = Tab::new(&kit, &visitor, "/stream").connected().await;
    tab.send("panic").await;
    assert!(matches!(tab.next().await, TabEvent::Closed(1011, _)));
    tab.connect().await.unwrap();
    tab.send("on").await;
    assert_eq!(
        tab.received_so_far().await,
        [TabEvent::Text("on".to_owned())]
    );
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_slowly_gets_everything() {
    let (kit, visitor) = server().await;
    let page = visitor.page();
    let mut tab = Tab::of(&kit, &visitor, "/stream", &page);
    // If the network buffers little, the socket's outbox fills up.
    tab.change_handshake = |builder| builder.network_capacity(1024);
    let mut tab = tab.connected().await;
    let long = "x".repeat(100_000);
    for _ in 0..8 {
        assert_eq!(page.push("long", &long), 1);
    }
    for _ in 0..8 {
        assert_eq!(tab.next().await, event("long", long.as_str()));
    }
}

#[tokio::test(start_paused = true)]
async fn pages_without_a_connection_are_limited_and_the_oldest_is_evicted() {
    let limits = PageLimits::DEFAULT.waiting(3);
    let (kit, visitor) = served(limits).await;
    let pages: Vec<_> = (0..5).map(|_| visitor.page()).collect();
    assert_eq!(kit.hub().page_count(), 3);
    let taken: Vec<_> = pages.iter().map(|page| page.push("n", &1)).collect();
    assert_eq!(taken, [0, 0, 1, 1, 1]);
    // A page is evicted only if it has no connection.
    let mut tab = Tab::of(&kit, &visitor, "/stream", &pages[2])
        .connected()
        .await;
    let _more: Vec<_> = (0..5).map(|_| visitor.page()).collect();
    assert_eq!(pages[2].push("n", &2), 1);
    assert_eq!(tab.received_so_far().await, numbers([1, 2]));
}

#[tokio::test(start_paused = true)]
async fn pages_that_have_ended_do_not_count_as_waiting() {
    let limits = PageLimits::DEFAULT.waiting(3);
    let (kit, visitor) = served(limits).await;
    let waits = visitor.page();
    for _ in 0..10 {
        let mut tab = Tab::new(&kit, &visitor, "/stream").connected().await;
        tab.send_raw(&json!({"type": "bye"})).await;
        assert_eq!(tab.next().await, TabEvent::Closed(1000, String::new()));
    }
    assert_eq!(waits.push("n", &1), 1);
}

#[tokio::test(start_paused = true)]
async fn a_task_writes_the_rest_of_a_push_in_order() {
    let limits = ServerLimits::DEFAULT.publish_inline(1);
    let kit = TestKit::with_limits(limits);
    let kit = kit.with_table(Routes::table(), NoState).unwrap();
    let visitor = kit.visitor().await;
    let mut tabs = Vec::new();
    for _ in 0..600 {
        let tab = Tab::new(&kit, &kit.visitor().await, "/stream");
        tabs.push(tab.connected().await);
    }
    assert_eq!(kit.hub().broadcast("n", &1_u64), 600);
    assert_eq!(kit.hub().broadcast("n", &2_u64), 600);
    assert_eq!(visitor.session().push("n", &3_u64), 0);
    for tab in &mut tabs {
        assert_eq!(tab.received_so_far().await, numbers([1, 2]));
    }
}

#[tokio::test(start_paused = true)]
async fn a_stuck_connection_does_not_delay_the_next() {
    let (kit, visitor) = server().await;
    let page = visitor.page();
    let mut tab = Tab::of(&kit, &visitor, "/small", &page);
    tab.change_handshake = |builder| builder.network_capacity(1024);
    let mut tab = tab.connected().await;
    // The socket's outbox is full before the window is.
    let long = "x".repeat(20_000);
    for _ in 0..8 {
        assert_eq!(page.push("long", &long), 1);
    }
    settle().await;
    tab.disconnect().await;
    tab.connect().await.unwrap();
    for _ in 0..8 {
        assert_eq!(tab.next().await, event("long", long.as_str()));
    }
}
