//! The mailbox of a handler: notifications and timers, both bounded.

use std::pin::pin;

use futures::FutureExt;
use ws_core::testkit::TestKit;
use ws_server::NotifyError;
use ws_server::prelude::*;

use crate::journal::{Journal, limits, seconds, secs, settle};

/// Records its notifications; one that begins with "wait" takes ten seconds.
struct Notes {
    journal: Journal,
    since: tokio::time::Instant,
}

#[ws_handler]
impl Notes {
    fn init(journal: Journal) -> Self {
        let since = tokio::time::Instant::now();
        Notes { journal, since }
    }

    async fn info(&mut self, text: &'static str) -> &'static str {
        self.journal.note(format!("{text} {}", seconds(self.since)));
        if text.starts_with("wait") {
            tokio::time::sleep(secs(10)).await;
        }
        text
    }
}

#[tokio::test(start_paused = true)]
async fn info_gets_notifications_and_timers_and_its_replies_are_sent() {
    let (kit, journal) = (TestKit::new(), Journal::new());
    let mut client = journal.client::<Notes>(&kit).connect().await.unwrap();
    let socket = client.socket::<Notes>();
    socket.notify("now").unwrap();
    socket.notify_async("soon").await.unwrap();
    let _after = socket.notify_after(secs(3), "after");
    let _every = socket.notify_every(secs(2), "every");
    for expected in ["now", "soon", "every", "after", "every", "every"] {
        assert_eq!(client.text().await, expected);
    }
    let expected = [
        "now 0", "soon 0", "every 2", "after 3", "every 4", "every 6",
    ];
    assert_eq!(journal.lines(), expected);
}

#[tokio::test(start_paused = true)]
async fn a_full_mailbox_returns_the_value() {
    let (kit, journal) = (TestKit::new(), Journal::new());
    let builder = journal.client::<Notes>(&kit);
    let client = builder
        .limits(limits(|limits| limits.mailbox = 2))
        .connect()
        .await
        .unwrap();
    let socket = client.socket::<Notes>();
    socket.notify("wait").unwrap();
    settle().await;
    socket.notify("second").unwrap();
    socket.notify("third").unwrap();
    assert_eq!(socket.notify("fourth"), Err(NotifyError::Full("fourth")));
    assert_eq!(NotifyError::Full("fourth").into_inner(), "fourth");
    assert!(socket.is_open());
    tokio::time::sleep(secs(11)).await;
    socket.notify("fifth").unwrap();
    settle().await;
    assert_eq!(
        journal.lines(),
        ["wait 0", "second 10", "third 10", "fifth 11"]
    );
}

#[tokio::test(start_paused = true)]
async fn notify_async_waits_for_room() {
    let (kit, journal) = (TestKit::new(), Journal::new());
    let builder = journal.client::<Notes>(&kit);
    let client = builder
        .limits(limits(|limits| limits.mailbox = 1))
        .connect()
        .await
        .unwrap();
    let socket = client.socket::<Notes>();
    socket.notify("wait").unwrap();
    settle().await;
    socket.notify("second").unwrap();
    let mut third = pin!(socket.notify_async("third"));
    settle().await;
    assert_eq!(third.as_mut().now_or_never(), None);
    assert_eq!(third.await, Ok(()));
    settle().await;
    assert_eq!(journal.lines(), ["wait 0", "second 10", "third 10"]);
}

#[tokio::test(start_paused = true)]
async fn a_waiting_notify_async_fails_at_the_end() {
    let (kit, journal) = (TestKit::new(), Journal::new());
    let builder = journal.client::<Notes>(&kit);
    let mut client = builder
        .limits(limits(|limits| limits.mailbox = 1))
        .connect()
        .await
        .unwrap();
    let socket = client.socket::<Notes>();
    socket.notify("wait").unwrap();
    settle().await;
    socket.notify("wait again").unwrap();
    let mut third = pin!(socket.notify_async("third"));
    assert_eq!(third.as_mut().now_or_never(), None);
    client.end().await;
    socket.close(Close::NORMAL);
    assert_eq!(third.await, Err(NotifyError::Closed("third")));
    assert_eq!(journal.lines(), ["wait 0"]);
}

#[tokio::test(start_paused = true)]
async fn timers_count_against_a_bound_of_their_own() {
    let (kit, journal) = (TestKit::new(), Journal::new());
    let builder = journal.client::<Notes>(&kit);
    let bounds = limits(|limits| (limits.mailbox, limits.timers) = (1, 2));
    let client = builder.limits(bounds).connect().await.unwrap();
    let socket = client.socket::<Notes>();
    let _first = socket.try_notify_after(secs(1), "first").unwrap();
    let second = socket.try_notify_every(secs(9), "second").unwrap();
    let full = |refused: Result<ws_server::Timer, NotifyError<&'static str>>| {
        assert_eq!(refused.map(|_| ()), Err(NotifyError::Full("third")));
    };
    full(socket.try_notify_after(secs(1), "third"));
    full(socket.try_notify_every(secs(1), "third"));
    assert!(!socket.notify_after(secs(1), "third").is_set());
    socket.notify("timers do not fill the mailbox").unwrap();
    settle().await;
    assert!(second.cancel());
    let again = socket.try_notify_after(secs(1), "a place is free");
    assert!(again.is_ok_and(|timer| timer.is_set()));
    tokio::time::sleep(secs(2)).await;
    let expected = [
        "timers do not fill the mailbox 0",
        "first 1",
        "a place is free 1",
    ];
    assert_eq!(journal.lines(), expected);
}

#[tokio::test(start_paused = true)]
async fn values_of_timers_in_the_mailbox_do_not_use_its_capacity() {
    let (kit, journal) = (TestKit::new(), Journal::new());
    let builder = journal.client::<Notes>(&kit);
    let client = builder
        .limits(limits(|limits| limits.mailbox = 1))
        .connect()
        .await
        .unwrap();
    let socket = client.socket::<Notes>();
    socket.notify("wait").unwrap();
    let _a = socket.notify_after(secs(1), "a");
    let _b = socket.notify_after(secs(2), "b");
    tokio::time::sleep(secs(5)).await;
    assert_eq!(socket.notify("c"), Ok(()));
    assert_eq!(socket.notify("d"), Err(NotifyError::Full("d")));
    tokio::time::sleep(secs(6)).await;
    assert_eq!(journal.lines(), ["wait 0", "a 10", "b 10", "c 10"]);
}

#[tokio::test(start_paused = true)]
async fn dropping_a_handle_keeps_its_timer_and_cancel_stops_it() {
    let (kit, journal) = (TestKit::new(), Journal::new());
    let client = journal.client::<Notes>(&kit).connect().await.unwrap();
    let socket = client.socket::<Notes>();
    drop(socket.notify_after(secs(1), "kept"));
    drop(socket.notify_every(secs(3), "kept too"));
    let after = socket.notify_after(secs(2), "cancelled");
    let every = socket.notify_every(secs(2), "cancelled too");
    assert!(after.is_set());
    assert!(after.cancel());
    assert!(every.clone().cancel());
    assert!(!after.is_set());
    assert!(!after.cancel());
    tokio::time::sleep(secs(7)).await;
    assert_eq!(journal.lines(), ["kept 1", "kept too 3", "kept too 6"]);
}

#[tokio::test(start_paused = true)]
async fn late_ticks_coalesce() {
    let (kit, journal) = (TestKit::new(), Journal::new());
    let client = journal.client::<Notes>(&kit).connect().await.unwrap();
    let socket = client.socket::<Notes>();
    socket.notify("wait").unwrap();
    let _every = socket.notify_every(secs(3), "tick");
    tokio::time::sleep(secs(16)).await;
    assert_eq!(journal.lines(), ["wait 0", "tick 10", "tick 12", "tick 15"]);
}
