//! A page that acknowledges everything loses nothing, however fast its handler is.

use ws_core::protocol::OpCode;
use ws_core::testkit::Received;

use super::*;

/// Answers `COUNT SIZE` with that many messages, each with its number and padding.
pub(crate) struct Flood;

#[ws_handler]
impl Flood {
    fn init() -> Self {
        Flood
    }

    fn message(&mut self, command: String) -> Vec<String> {
        let (count, size) = command.split_once(' ').unwrap();
        let (count, size): (usize, usize) = (count.parse().unwrap(), size.parse().unwrap());
        (0..count).map(|n| padded(n, size)).collect()
    }
}

dispatch! {
    pub(crate) struct Floods;

    flood:  "/flood"  => Flood { attach: page };
    stream: "/stream" => PageStream;
}

pub(crate) fn padded(number: usize, size: usize) -> String {
    let mut text = number.to_string();
    text.extend(std::iter::repeat_n(' ', size.saturating_sub(text.len())));
    text
}

async fn flooded() -> (TestKit, TestVisitor, Tab) {
    let kit = TestKit::table(Floods::table(), NoState).unwrap();
    let visitor = kit.visitor().await;
    let tab = Tab::new(&kit, &visitor, "/flood").connected().await;
    (kit, visitor, tab)
}

/// Acknowledges everything that the tab has received.
async fn acknowledge(tab: &mut Tab) {
    let offset = tab.offset;
    tab.send_raw(&json!({"type": "ack", "offset": offset}))
        .await;
}

#[tokio::test(start_paused = true)]
async fn messages_of_any_size_arrive_if_they_are_acknowledged_at_once() {
    for (count, size) in [(100, 65_000), (100, 30_000), (100, 10_000), (5, 3_000_000)] {
        let (_kit, _visitor, mut tab) = flooded().await;
        tab.send(&format!("{count} {size}")).await;
        for n in 0..count {
            assert_eq!(
                tab.next().await,
                text_event(&padded(n, size)),
                "{n} of {count}"
            );
        }
        assert_eq!(tab.received_so_far().await, []);
    }
}

#[tokio::test(start_paused = true)]
async fn a_fast_page_loses_nothing_to_broadcasts_and_a_fast_handler() {
    let (kit, _visitor, mut tab) = flooded().await;
    tab.acknowledges = false;
    tab.send("20000 1").await;
    let hub = kit.hub().clone();
    let broadcasts = tokio::spawn(async move {
        let mut sent = 0_u64;
        loop {
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
            sent += 1;
            assert_eq!(hub.broadcast("n", &sent), 1);
        }
    });
    let (mut texts, mut events) = (0_usize, 0_u64);
    while texts < 20_000 {
        match tab.next().await {
            TabEvent::Text(text) => {
                assert_eq!(text, texts.to_string());
                texts += 1;
            }
            TabEvent::Event(_, number) => {
                events += 1;
                assert_eq!(number, events);
            }
            other => panic!("{other:?} after {texts} messages and {events} events"),
        }
        if tab.offset % 32 == 0 {
            // A round trip to the server.
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            acknowledge(&mut tab).await;
        }
    }
    broadcasts.abort();
    assert!(events >= 50, "{events}");
}

#[tokio::test(start_paused = true)]
async fn one_broadcast_while_the_handler_waits_drops_nothing() {
    let (kit, _visitor, mut tab) = flooded().await;
    tab.acknowledges = false;
    tab.send("3000 1").await;
    for n in 0..256 {
        assert_eq!(tab.next().await, text_event(&n.to_string()));
    }
    assert_eq!(
        tab.received_so_far().await,
        [],
        "the handler waits for the page"
    );
    assert_eq!(kit.hub().broadcast("n", &1), 1);
    tab.acknowledges = true;
    acknowledge(&mut tab).await;
    let mut got = Vec::new();
    for _ in 256..=3000 {
        got.push(tab.next().await);
    }
    let at = got.iter().position(|got| *got == event("n", 1)).unwrap();
    got.remove(at);
    let expected: Vec<_> = (256..3000).map(|n| text_event(&n.to_string())).collect();
    assert_eq!(got, expected);
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_waits_continues_when_pushes_of_others_overflow_the_queue() {
    let (kit, _visitor, mut tab) = flooded().await;
    tab.acknowledges = false;
    tab.send("3000 1").await;
    tab.received_so_far().await;
    // More than the handler leaves free in the queue.
    for n in 0..300_u64 {
        kit.hub().broadcast("n", &n);
    }
    tab.acknowledges = true;
    let mut got = tab.received_so_far().await;
    assert_eq!(got.remove(0), TabEvent::Reset("overflow".to_owned()));
    let rest: Vec<_> = (0..3000).map(|n| text_event(&n.to_string())).collect();
    got.retain(|got| matches!(got, TabEvent::Text(_)));
    assert!(got.len() > 1_000 && rest.ends_with(&got), "{}", got.len());
}

#[tokio::test(start_paused = true)]
async fn a_page_that_acknowledges_every_ten_seconds_is_not_stalled() {
    let (_kit, _visitor, mut tab) = flooded().await;
    tab.acknowledges = false;
    tab.send("4000 1").await;
    let mut got = 0;
    while got < 4000 {
        tokio::time::sleep(secs(10)).await;
        for message in tab.received_so_far().await {
            assert_eq!(message, text_event(&got.to_string()));
            got += 1;
        }
        acknowledge(&mut tab).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_that_acknowledges_steadily_is_not_stalled_while_one_large_message_waits() {
    let (_kit, _visitor, mut tab) = flooded().await;
    tab.acknowledges = false;
    tab.send("100 7000").await;
    tab.send("3 600000").await;
    let (mut texts, mut acknowledged) = (0, 0);
    while texts < 103 {
        // The page acknowledges 14 kB every 2 seconds; the first large message waits for longer
        // than `stall`.
        tokio::time::sleep(secs(2)).await;
        for got in tab.received_so_far().await {
            assert!(matches!(got, TabEvent::Text(_)), "{got:?}");
            texts += 1;
        }
        acknowledged = tab.offset.min(acknowledged + 2);
        tab.send_raw(&json!({"type": "ack", "offset": acknowledged}))
            .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_page_that_reads_large_messages_slowly_is_not_stalled() {
    let kit = TestKit::table(Floods::table(), NoState).unwrap();
    let visitor = kit.visitor().await;
    let mut tab = Tab::new(&kit, &visitor, "/flood");
    tab.change_handshake = |builder| builder.network_capacity(8_000);
    let mut tab = tab.connected().await;
    tab.send("5 300000").await;
    let client = tab.client();
    let mut offset = 0_u64;
    // At 8 kB a second, the first message takes longer than `stall`.
    while offset < 5 {
        tokio::time::sleep(secs(1)).await;
        for received in client.received_in_one_read().await {
            match received {
                Received::Message(message) if message.len() > 300_000 => {
                    offset += 1;
                    let ack = json!({"type": "ack", "offset": offset});
                    client.send(ack.to_string()).await;
                }
                Received::Message(_) => {}
                Received::Ping(payload) => client.send_frame(OpCode::Pong, true, &payload).await,
                other => panic!("{other:?}"),
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_large_message_of_a_handler_is_not_starved_by_other_pushes() {
    let (kit, _visitor, mut tab) = flooded().await;
    tab.acknowledges = false;
    tab.send("3 2000000").await;
    let mut texts = 0;
    // The queue is never empty: each message is acknowledged after the next push.
    for n in 0..1_000_u64 {
        kit.hub().broadcast("n", &n);
        acknowledge(&mut tab).await;
        for got in tab.received_so_far().await {
            match got {
                TabEvent::Event(..) => {}
                TabEvent::Text(text) => {
                    assert_eq!(text, padded(texts, 2_000_000));
                    texts += 1;
                }
                other => panic!("{other:?}"),
            }
        }
        if texts == 3 {
            return;
        }
    }
    panic!("{texts} of 3 arrived");
}
