//! Back-pressure between handlers and pages, and the end of a handler.

use super::*;

/// Checks that these messages of one text are answered in order, and that none is left unseen.
async fn answered(tab: &mut Tab, numbers: std::ops::RangeInclusive<u64>, text: &str) {
    for n in numbers {
        assert_eq!(
            tab.next().await,
            text_event(&format!("{n} {text} of nobody"))
        );
    }
    tab.received_so_far().await;
    assert_eq!(tab.unseen(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_close_of_the_handler_follows_everything_that_it_sent() {
    let office = Office::new().await;
    let mut tab = office.tab().connected().await;
    tab.send("leave").await;
    let closed = TabEvent::Closed(1000, "done".to_owned());
    assert_eq!(tab.received_so_far().await, [text_event("bye"), closed]);
    settle().await;
    let terminated = ["terminate ServerClosed 1000"];
    assert_eq!(office.journal.lines_of("terminate"), terminated);
    assert_eq!(office.kit.hub().page_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_close_of_the_handler_waits_for_a_page_that_is_away() {
    let office = Office::new().await;
    let mut tab = office.tab().connected().await;
    tab.acknowledges = false;
    tab.send("leave").await;
    settle().await;
    tab.disconnect().await;
    tokio::time::sleep(secs(5)).await;
    tab.acknowledges = true;
    tab.connect().await.unwrap();
    let closed = TabEvent::Closed(1000, "done".to_owned());
    assert_eq!(tab.received_so_far().await, [text_event("bye"), closed]);
    assert_eq!(office.journal.lines_of("init").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_page_that_never_acknowledges_holds_a_handler_that_closed_no_longer_than_its_grace() {
    let office = Office::new().await;
    let mut tab = office.tab().connected().await;
    tab.acknowledges = false;
    tab.send("leave").await;
    assert_eq!(tab.next().await, text_event("bye"));
    let since = tokio::time::Instant::now();
    // The server cannot know that the page has received everything, so the page must return.
    let late = TabEvent::Closed(1013, "the page reads too slowly".to_owned());
    assert_eq!(tab.next().await, late);
    assert_eq!(crate::journal::seconds(since), 20);
    assert_eq!(office.kit.hub().page_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_closes_on_a_full_queue_loses_nothing_of_it() {
    let office = Office::new().await;
    let mut tab = office.tab().connected().await;
    tab.acknowledges = false;
    tab.send("many 3000").await;
    tab.send("leave").await;
    for n in 0..256 {
        assert_eq!(tab.next().await, text_event(&n.to_string()));
    }
    // Every other second the page acknowledges a little, for longer than the time to close.
    for n in 256..3000 {
        if n % 128 == 0 {
            let offset = tab.offset;
            tab.send_raw(&json!({"type": "ack", "offset": offset}))
                .await;
            tokio::time::sleep(secs(2)).await;
        }
        assert_eq!(tab.next().await, text_event(&n.to_string()));
    }
    assert_eq!(tab.next().await, text_event("bye"));
    let offset = tab.offset;
    tab.send_raw(&json!({"type": "ack", "offset": offset}))
        .await;
    assert_eq!(tab.next().await, TabEvent::Closed(1000, "done".to_owned()));
    let terminated = ["terminate ServerClosed 1000"];
    assert_eq!(office.journal.lines_of("terminate"), terminated);
}

#[tokio::test(start_paused = true)]
async fn a_page_that_acknowledges_nothing_of_its_handler_is_closed_with_1013() {
    let office = Office::new().await;
    let mut tab = office.tab().connected().await;
    tab.acknowledges = false;
    tab.send("many 20000").await;
    // 30 seconds until the handler is stopped, then the grace time.
    let mut got = tab.stay(51).await;
    let closed = got.pop().unwrap();
    assert!(matches!(closed, TabEvent::Closed(1013, _)), "{closed:?}");
    let expected: Vec<_> = (0..256).map(|n| text_event(&n.to_string())).collect();
    assert_eq!(got, expected);
    let terminated = office.journal.lines_of("terminate");
    assert_eq!(terminated, ["terminate Stalled 1013"]);
    // The page gets a reset.
    tab.connect().await.unwrap();
    assert_eq!(
        tab.received_so_far().await,
        [TabEvent::Reset("restart".to_owned())]
    );
}

#[tokio::test(start_paused = true)]
async fn a_handler_and_a_page_that_both_send_a_lot_do_not_wait_for_each_other() {
    let office = Office::new().await;
    let mut tab = office.tab().connected().await;
    // The handler waits until the page acknowledges, and the acknowledgement is behind more than
    // the handler reads ahead.
    tab.send("many 2000").await;
    let long = "x".repeat(30_000);
    for _ in 0..20 {
        tab.send(&long).await;
    }
    for n in 0..2000 {
        assert_eq!(tab.next().await, text_event(&n.to_string()));
    }
    answered(&mut tab, 2..=21, &long).await;
}

#[tokio::test(start_paused = true)]
async fn a_page_that_exceeds_the_backlog_reconnects_and_loses_nothing() {
    let office = Office::new().await;
    let mut tab = office.tab().connected().await;
    tab.send("slow 5").await;
    let long = format!("bytes {}", "x".repeat(30_000));
    for _ in 0..40 {
        tab.send(&long).await;
    }
    let full = "the page's handler is too slow".to_owned();
    assert_eq!(tab.received_so_far().await, [TabEvent::Closed(1013, full)]);
    tokio::time::sleep(secs(5)).await;
    tab.connect().await.unwrap();
    assert_eq!(tab.next().await, text_event("done"));
    for _ in 0..40 {
        assert_eq!(tab.next().await, TabEvent::Binary("+/8B".to_owned()));
    }
    tab.received_so_far().await;
    assert_eq!(tab.unseen(), 0);
    assert_eq!(office.journal.lines_of("message").len(), 41);
}

#[tokio::test(start_paused = true)]
async fn messages_that_the_handler_did_not_take_are_not_seen() {
    let office = Office::new().await;
    let mut tab = office.tab().connected().await;
    tab.send("slow 5").await;
    tab.received_so_far().await;
    assert_eq!(tab.unseen(), 0);
    // More than the handler reads ahead.
    let long = "x".repeat(60_000);
    for _ in 0..4 {
        tab.send(&long).await;
    }
    tab.send("panic").await;
    tab.send("after").await;
    settle().await;
    tab.disconnect().await;
    tab.connect().await.unwrap();
    assert!((3..=5).contains(&tab.unseen()), "{}", tab.unseen());
    let mut got = tab.stay(6).await;
    assert!(matches!(got.pop(), Some(TabEvent::Closed(1011, _))));
    assert_eq!(
        office.journal.lines_of("message").last().unwrap(),
        "message panic"
    );
}

#[tokio::test(start_paused = true)]
async fn a_reply_of_many_messages_waits_for_a_connected_page() {
    let office = Office::new().await;
    let mut tab = office.tab().connected().await;
    // If there were no back-pressure, this would overflow the queue.
    tab.send("many 5000").await;
    for n in 0..5000 {
        assert_eq!(tab.next().await, text_event(&n.to_string()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_busy_handler_makes_the_page_wait_and_loses_nothing() {
    let office = Office::new().await;
    let mut tab = office.tab().connected().await;
    tab.send("slow 5").await;
    let long = "x".repeat(30_000);
    for _ in 0..10 {
        tab.send(&long).await;
    }
    tab.received_so_far().await;
    assert!((3..10).contains(&tab.unseen()), "{}", tab.unseen());
    assert_eq!(tab.next().await, text_event("done"));
    answered(&mut tab, 2..=11, &long).await;
}

#[tokio::test(start_paused = true)]
async fn a_page_that_is_away_does_not_block_its_handler() {
    let office = Office::new().await;
    let mut tab = office.tab().connected().await;
    tab.send("slow 5").await;
    tab.send("many 3000").await;
    tab.send("a").await;
    settle().await;
    tab.disconnect().await;
    tokio::time::sleep(secs(10)).await;
    let messages = ["message slow 5", "message many 3000", "message a"];
    assert_eq!(office.journal.lines_of("message"), messages);
    tab.connect().await.unwrap();
    let got = tab.received_so_far().await;
    assert_eq!(got[0], TabEvent::Reset("overflow".to_owned()));
    // The queue was dropped several times; these messages followed the last drop.
    let mut expected: Vec<_> = (0..3000).map(|n| text_event(&n.to_string())).collect();
    expected.push(text_event("3 a of nobody"));
    assert!(
        got.len() > 1 && expected.ends_with(&got[1..]),
        "{}",
        got.len()
    );
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_closed_waits_for_its_page_once() {
    let office = Office::new().await;
    let mut tab = office.tab().connected().await;
    tab.acknowledges = false;
    tab.send("leave").await;
    settle().await;
    tab.disconnect().await;
    tokio::time::sleep(secs(15)).await;
    tab.connect().await.unwrap();
    let since = tokio::time::Instant::now();
    assert_eq!(tab.next().await, text_event("bye"));
    assert!(matches!(tab.next().await, TabEvent::Closed(1013, _)));
    // 20 seconds after it closed, of which 15 had passed.
    assert_eq!(crate::journal::seconds(since), 5);
}

#[tokio::test(start_paused = true)]
async fn messages_after_the_close_of_the_handler_are_not_seen() {
    let office = Office::new().await;
    let mut tab = office.tab().connected().await;
    tab.acknowledges = false;
    tab.send("leave").await;
    assert_eq!(tab.received_so_far().await, [text_event("bye")]);
    tab.send("too late").await;
    assert_eq!((tab.received_so_far().await, tab.unseen()), (vec![], 1));
    assert_eq!(office.journal.lines_of("message"), ["message leave"]);
}
