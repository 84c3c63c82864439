//! Handlers and pages that are slower than each other, and the end of a handler.

use super::*;

/// Each of these messages of one text is answered in order, and then none is left unseen.
async fn answered(tab: &mut Tab, numbers: std::ops::RangeInclusive<u64>, text: &str) {
    for n in numbers {
        assert_eq!(tab.next().await, said(&format!("{n} {text} of nobody")));
    }
    tab.so_far().await;
    assert_eq!(tab.unseen(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_close_of_the_handler_follows_everything_that_it_sent() {
    let office = Office::new().await;
    let mut tab = office.tab().connected().await;
    tab.send("leave").await;
    let closed = Got::Closed(1000, "done".to_owned());
    assert_eq!(tab.so_far().await, [said("bye"), closed]);
    quiet().await;
    let terminated = ["terminate ServerClosed 1000"];
    assert_eq!(office.journal.of("terminate"), terminated);
    assert_eq!(office.kit.hub().page_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_close_of_the_handler_waits_for_a_page_that_is_away() {
    let office = Office::new().await;
    let mut tab = office.tab().connected().await;
    tab.acknowledges = false;
    tab.send("leave").await;
    quiet().await;
    tab.cut().await;
    tokio::time::sleep(secs(5)).await;
    tab.acknowledges = true;
    tab.connect().await.unwrap();
    let closed = Got::Closed(1000, "done".to_owned());
    assert_eq!(tab.so_far().await, [said("bye"), closed]);
    assert_eq!(office.journal.of("init").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_page_that_never_acknowledges_holds_a_handler_that_closed_no_longer_than_its_grace() {
    let office = Office::new().await;
    let mut tab = office.tab().connected().await;
    tab.acknowledges = false;
    tab.send("leave").await;
    assert_eq!(tab.next().await, said("bye"));
    let since = tokio::time::Instant::now();
    // For all that the server knows it has not got everything: it has to come back.
    let late = Got::Closed(1013, "the page does not follow".to_owned());
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
        assert_eq!(tab.next().await, said(&n.to_string()));
    }
    // It takes no more, and every other second a little: longer than a handler has to close.
    for n in 256..3000 {
        if n % 128 == 0 {
            let offset = tab.offset;
            tab.say(&json!({"type": "ack", "offset": offset})).await;
            tokio::time::sleep(secs(2)).await;
        }
        assert_eq!(tab.next().await, said(&n.to_string()));
    }
    assert_eq!(tab.next().await, said("bye"));
    let offset = tab.offset;
    tab.say(&json!({"type": "ack", "offset": offset})).await;
    assert_eq!(tab.next().await, Got::Closed(1000, "done".to_owned()));
    let terminated = ["terminate ServerClosed 1000"];
    assert_eq!(office.journal.of("terminate"), terminated);
}

#[tokio::test(start_paused = true)]
async fn a_page_that_acknowledges_nothing_of_its_handler_is_closed_with_1013() {
    let office = Office::new().await;
    let mut tab = office.tab().connected().await;
    tab.acknowledges = false;
    tab.send("many 20000").await;
    // 30 seconds until the handler has gone, and then the grace time.
    let mut got = tab.stay(51).await;
    let closed = got.pop().unwrap();
    assert!(matches!(closed, Got::Closed(1013, _)), "{closed:?}");
    let expected: Vec<_> = (0..256).map(|n| said(&n.to_string())).collect();
    assert_eq!(got, expected);
    let terminated = office.journal.of("terminate");
    assert_eq!(terminated, ["terminate Stalled 1013"]);
    // It is told that something is missing.
    tab.connect().await.unwrap();
    assert_eq!(tab.so_far().await, [Got::Reset("restart".to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn a_handler_and_a_page_that_both_send_a_lot_do_not_wait_for_each_other() {
    let office = Office::new().await;
    let mut tab = office.tab().connected().await;
    // The handler cannot go on before the page acknowledges, and the page does that behind
    // more than its handler reads ahead.
    tab.send("many 2000").await;
    let long = "x".repeat(30_000);
    for _ in 0..20 {
        tab.send(&long).await;
    }
    for n in 0..2000 {
        assert_eq!(tab.next().await, said(&n.to_string()));
    }
    answered(&mut tab, 2..=21, &long).await;
}

#[tokio::test(start_paused = true)]
async fn a_page_that_sends_more_than_may_wait_comes_back_and_loses_nothing() {
    let office = Office::new().await;
    let mut tab = office.tab().connected().await;
    tab.send("slow 5").await;
    let long = format!("bytes {}", "x".repeat(30_000));
    for _ in 0..40 {
        tab.send(&long).await;
    }
    let full = "the page's handler does not follow".to_owned();
    assert_eq!(tab.so_far().await, [Got::Closed(1013, full)]);
    tokio::time::sleep(secs(5)).await;
    tab.connect().await.unwrap();
    assert_eq!(tab.next().await, said("done"));
    for _ in 0..40 {
        assert_eq!(tab.next().await, Got::Binary("+/8B".to_owned()));
    }
    tab.so_far().await;
    assert_eq!(tab.unseen(), 0);
    assert_eq!(office.journal.of("message").len(), 41);
}

#[tokio::test(start_paused = true)]
async fn what_the_handler_did_not_take_is_not_said_to_be_seen() {
    let office = Office::new().await;
    let mut tab = office.tab().connected().await;
    tab.send("slow 5").await;
    tab.so_far().await;
    assert_eq!(tab.unseen(), 0);
    // More than it reads ahead.
    let long = "x".repeat(60_000);
    for _ in 0..4 {
        tab.send(&long).await;
    }
    tab.send("panic").await;
    tab.send("after").await;
    quiet().await;
    tab.cut().await;
    tab.connect().await.unwrap();
    assert!((3..=5).contains(&tab.unseen()), "{}", tab.unseen());
    let mut got = tab.stay(6).await;
    assert!(matches!(got.pop(), Some(Got::Closed(1011, _))));
    assert_eq!(
        office.journal.of("message").last().unwrap(),
        "message panic"
    );
}

#[tokio::test(start_paused = true)]
async fn a_reply_of_many_messages_waits_for_a_page_that_is_there() {
    let office = Office::new().await;
    let mut tab = office.tab().connected().await;
    // More than the queue holds: without back-pressure it would be dropped.
    tab.send("many 5000").await;
    for n in 0..5000 {
        assert_eq!(tab.next().await, said(&n.to_string()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_is_busy_lets_the_page_wait_and_loses_nothing() {
    let office = Office::new().await;
    let mut tab = office.tab().connected().await;
    tab.send("slow 5").await;
    let long = "x".repeat(30_000);
    for _ in 0..10 {
        tab.send(&long).await;
    }
    tab.so_far().await;
    assert!((3..10).contains(&tab.unseen()), "{}", tab.unseen());
    assert_eq!(tab.next().await, said("done"));
    answered(&mut tab, 2..=11, &long).await;
}

#[tokio::test(start_paused = true)]
async fn a_page_that_is_away_does_not_hold_its_handler_up() {
    let office = Office::new().await;
    let mut tab = office.tab().connected().await;
    tab.send("slow 5").await;
    tab.send("many 3000").await;
    tab.send("a").await;
    quiet().await;
    tab.cut().await;
    tokio::time::sleep(secs(10)).await;
    let messages = ["message slow 5", "message many 3000", "message a"];
    assert_eq!(office.journal.of("message"), messages);
    tab.connect().await.unwrap();
    let got = tab.so_far().await;
    assert_eq!(got[0], Got::Reset("overflow".to_owned()));
    // What came after the queue was dropped for the last time.
    let mut expected: Vec<_> = (0..3000).map(|n| said(&n.to_string())).collect();
    expected.push(said("3 a of nobody"));
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
    quiet().await;
    tab.cut().await;
    tokio::time::sleep(secs(15)).await;
    tab.connect().await.unwrap();
    let since = tokio::time::Instant::now();
    assert_eq!(tab.next().await, said("bye"));
    assert!(matches!(tab.next().await, Got::Closed(1013, _)));
    // 20 seconds after it closed, of which 15 had passed.
    assert_eq!(crate::journal::seconds(since), 5);
}

#[tokio::test(start_paused = true)]
async fn what_comes_behind_the_close_of_the_handler_is_not_said_to_be_seen() {
    let office = Office::new().await;
    let mut tab = office.tab().connected().await;
    tab.acknowledges = false;
    tab.send("leave").await;
    assert_eq!(tab.so_far().await, [said("bye")]);
    tab.send("too late").await;
    assert_eq!((tab.so_far().await, tab.unseen()), (vec![], 1));
    assert_eq!(office.journal.of("message"), ["message leave"]);
}
