//! Messages that a page must not send, and the answers to them.

use super::*;

/// The answer to this message of a page that has received one event.
async fn answer(message: &str) -> TabEvent {
    let (kit, visitor) = server().await;
    kit.hub().on_page_message(|_, _| ());
    let page = visitor.page();
    page.push("n", &1_u64);
    let mut tab = Tab::of(&kit, &visitor, "/stream", &page).connected().await;
    assert_eq!(tab.received_so_far().await, numbers([1]));
    tab.client().send(message.to_owned()).await;
    let mut got = tab.received_so_far().await;
    // If the connection is open, it still works.
    if got.is_empty() {
        tab.send_raw(&json!({"type": "ping"})).await;
        assert_eq!(tab.next().await, TabEvent::Other(json!({"type": "pong"})));
        return TabEvent::Lost;
    }
    got.remove(0)
}

#[tokio::test(start_paused = true)]
async fn a_message_outside_the_protocol_closes_with_1007() {
    for message in [
        "",
        "hello",
        "null",
        r#"{"type":"hello"}"#,
        r#"{"type":"ack"}"#,
        r#"{"type":"ack","offset":"1"}"#,
        r#"{"type":"ack","offset":1e3}"#,
        r#"{"type":"text","id":1}"#,
        r#"{"type":"text","id":0,"data":"x"}"#,
        r#"{"type":"binary","id":1,"data":"*"}"#,
    ] {
        let closed = TabEvent::Closed(1007, "undecodable payload".to_owned());
        assert_eq!(answer(message).await, closed, "{message}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_early_acknowledgement_closes_with_1008_and_a_repeated_one_does_nothing() {
    let closed = TabEvent::Closed(1008, "`ack` of an offset that was never sent".to_owned());
    assert_eq!(answer(r#"{"type":"ack","offset":2}"#).await, closed);
    let far = r#"{"type":"ack","offset":9007199254740991}"#;
    assert_eq!(answer(far).await, closed);
    assert_eq!(answer(r#"{"type":"ack","offset":0}"#).await, TabEvent::Lost);
    assert_eq!(answer(r#"{"type":"ack","offset":1}"#).await, TabEvent::Lost);
}

#[tokio::test(start_paused = true)]
async fn an_id_that_skips_one_closes_with_1008_and_a_repeated_one_is_seen_again() {
    let closed = TabEvent::Closed(1008, "a message is missing".to_owned());
    let message = r#"{"type":"text","id":2,"data":"x"}"#;
    assert_eq!(answer(message).await, closed);
    let (kit, visitor) = server().await;
    kit.hub().on_page_message(|_, _| "received");
    let mut tab = Tab::new(&kit, &visitor, "/stream").connected().await;
    tab.send("x").await;
    assert_eq!(
        tab.received_so_far().await,
        [TabEvent::Text("received".to_owned())]
    );
    tab.send_raw(&json!({"type": "text", "id": 1, "data": "x"}))
        .await;
    assert_eq!(
        tab.received_so_far().await,
        [],
        "seen, but not delivered again"
    );
}

#[tokio::test(start_paused = true)]
async fn a_binary_frame_closes_with_1003() {
    let (kit, visitor) = server().await;
    let mut tab = Tab::new(&kit, &visitor, "/stream").connected().await;
    tab.client().send(Message::binary(&b"{}"[..])).await;
    let closed = TabEvent::Closed(1003, "text expected".to_owned());
    assert_eq!(tab.next().await, closed);
}

#[tokio::test(start_paused = true)]
async fn an_impossible_position_is_refused_with_400() {
    let (kit, visitor) = server().await;
    let page = visitor.page();
    page.push("n", &1_u64);
    let epoch = page.epoch().unwrap();
    let status = async |position: &str| {
        let builder = kit.open("/stream").session(&visitor).page(&page);
        let target = format!("/stream?z_pid={}&{position}", page.id());
        let builder = builder
            .uri(&target)
            .header("sec-websocket-protocol", "page.v1");
        let connected = builder.connect().await;
        connected.map_or_else(|refusal| refusal.status().as_u16(), |_| 101)
    };
    assert_eq!(status(&format!("epoch={epoch}&offset=2")).await, 400);
    assert_eq!(status(&format!("epoch={epoch}")).await, 400);
    assert_eq!(status(&format!("epoch={epoch}&offset=-1")).await, 400);
    assert_eq!(status("epoch=a%22b&offset=0").await, 400);
    assert_eq!(status("offset=0").await, 400);
    assert_eq!(status(&format!("epoch={epoch}&offset=0")).await, 101);
}

#[tokio::test(start_paused = true)]
async fn a_page_id_that_was_not_issued_is_refused_with_403() {
    let (kit, visitor) = server().await;
    let page = visitor.page();
    let foreign = kit.visitor().await.page();
    let forged = "A".repeat(page.id().len());
    let truncated = &page.id()[1..];
    let oversized = format!("{}{}", page.id(), "A".repeat(4000));
    for id in [&forged, truncated, foreign.id(), &oversized, ""] {
        let builder = kit.open(&format!("/stream?z_pid={id}")).session(&visitor);
        let builder = builder.header("sec-websocket-protocol", "page.v1");
        let refusal = builder.connect().await.unwrap_err();
        assert_eq!(refusal.status(), 403, "{id}");
    }
    assert_eq!(kit.hub().page_count(), 2, "a refused id starts no stream");
}

#[tokio::test(start_paused = true)]
async fn a_page_that_never_acknowledges_takes_a_bounded_queue() {
    let (kit, visitor) = server().await;
    let page = visitor.page();
    let mut tab = Tab::of(&kit, &visitor, "/stream", &page);
    tab.acknowledges = false;
    let mut tab = tab.connected().await;
    let mut resets = 0;
    let mut events = 0;
    for n in 0..5000_u64 {
        assert_eq!(page.push("n", &n), 1);
        for got in tab.received_so_far().await {
            match got {
                TabEvent::Reset(why) if why == "overflow" => resets += 1,
                TabEvent::Event(..) => events += 1,
                other => panic!("{other:?}"),
            }
        }
    }
    // The queue overflows at each 1,025th push; 256 of these are in flight.
    assert_eq!((resets, events), (4, 5 * 256));
}

#[tokio::test(start_paused = true)]
async fn a_page_that_exceeds_the_rate_of_its_route_is_closed_with_1008() {
    dispatch! {
        struct Rated;

        stream: "/stream" => PageStream { rate: 20/s };
    }
    let kit = TestKit::table(Rated::table(), NoState).unwrap();
    kit.hub().on_page_message(|_, _| ());
    let visitor = kit.visitor().await;
    let mut tab = Tab::new(&kit, &visitor, "/stream").connected().await;
    for _ in 0..21 {
        tab.send("x").await;
    }
    let closed = TabEvent::Closed(1008, "too many messages".to_owned());
    assert_eq!(tab.received_so_far().await, [closed]);
}

#[tokio::test(start_paused = true)]
async fn a_message_above_the_limit_closes_with_1009_even_if_json_escapes_it() {
    let (kit, visitor) = server().await;
    kit.hub()
        .on_page_message(|sent, _| sent.message.len().to_string());
    let mut tab = Tab::new(&kit, &visitor, "/stream").connected().await;
    // When JSON escapes it, it is six times as long.
    tab.send(&"\u{1}".repeat(65_536)).await;
    assert_eq!(tab.next().await, TabEvent::Text("65536".to_owned()));
    tab.send(&"x".repeat(65_537)).await;
    let closed = TabEvent::Closed(1009, "message too big".to_owned());
    assert_eq!(tab.next().await, closed);
    let mut tab = Tab::new(&kit, &visitor, "/stream").connected().await;
    tab.client().send("x".repeat(65_536 * 6 + 1025)).await;
    assert!(matches!(tab.next().await, TabEvent::Closed(1009, _)));
}

#[tokio::test(start_paused = true)]
async fn a_refused_handshake_changes_nothing_for_the_page() {
    let (kit, visitor) = server().await;
    kit.hub().on_page_message(|_, _| "received");
    let page = visitor.page();
    let mut tab = Tab::of(&kit, &visitor, "/stream", &page).connected().await;
    tab.send("a").await;
    assert_eq!(
        tab.received_so_far().await,
        [TabEvent::Text("received".to_owned())]
    );
    let epoch = u64::from_str_radix(tab.epoch.as_ref().unwrap(), 16).unwrap();
    let mut other = Tab::of(&kit, &visitor, "/stream", &page);
    other.offset = 99_999;
    for guess in [epoch, epoch.wrapping_add(1)] {
        other.epoch = Some(format!("{guess:016x}"));
        if guess == epoch {
            other.script = tab.script;
        } else {
            other.script = tab.script + 1_000_000;
        }
        let refused = (
            400,
            "`offset` is of a message that was never sent".to_owned(),
        );
        assert_eq!(other.connect().await, Err(refused), "{guess}");
    }
    tab.send("b").await;
    assert_eq!(
        tab.received_so_far().await,
        [TabEvent::Text("received".to_owned())]
    );
    assert_eq!(tab.unseen(), 0);
    tab.disconnect().await;
    tab.connect().await.unwrap();
    assert_eq!(tab.received_so_far().await, [], "the epoch is the same");
}

#[tokio::test(start_paused = true)]
async fn a_refused_handshake_begins_no_stream() {
    let (kit, visitor) = server().await;
    let page = visitor.page();
    tokio::time::sleep(secs(21)).await;
    assert_eq!(kit.hub().page_count(), 0);
    let target = format!("/stream?z_pid={}&offset=1", page.id());
    let builder = kit.open(&target).session(&visitor);
    let builder = builder.header("sec-websocket-protocol", "page.v1");
    assert_eq!(builder.connect().await.unwrap_err().status(), 400);
    assert_eq!(kit.hub().page_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_refused_message_is_not_seen_and_arrives_once_there_is_a_function() {
    let (kit, visitor) = server().await;
    let mut tab = Tab::new(&kit, &visitor, "/stream").connected().await;
    tab.send("hello").await;
    assert!(matches!(tab.next().await, TabEvent::Closed(1003, _)));
    kit.hub().on_page_message(|sent, _| sent.message.clone());
    tab.connect().await.unwrap();
    assert_eq!(tab.next().await, TabEvent::Text("hello".to_owned()));
    tab.received_so_far().await;
    assert_eq!(tab.unseen(), 0);
}
