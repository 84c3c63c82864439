//! An application whose callback for messages of pages blocks.

use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::*;

/// Longer than any step of the test.
const LONG: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_blocking_callback_blocks_one_worker_even_if_the_page_has_several_sockets() {
    let (kit, visitor) = server().await;
    let (entered, has_entered) = tokio::sync::mpsc::unbounded_channel();
    let (release, released) = channel::<()>();
    let released = Mutex::new(released);
    let received = Arc::new(Mutex::new(Vec::new()));
    let journal = received.clone();
    kit.hub().on_page_message(move |sent, _| {
        let text = sent.message.as_text().unwrap().to_owned();
        if text == "block" {
            entered.send(()).unwrap();
            released.lock().unwrap().recv().unwrap();
        }
        journal.lock().unwrap().push(text);
    });
    let mut tab = Tab::new(&kit, &visitor, "/stream").connected().await;
    tab.send("block").await;
    let mut has_entered = has_entered;
    has_entered.recv().await.unwrap();
    // The page reconnects and sends another message.
    tab.client = None;
    tab.connect().await.unwrap();
    tab.send("next").await;
    while tab.client().unsent() > 0 {
        tokio::task::yield_now().await;
    }
    // If the second worker did not run tasks, timers would not fire.
    for _ in 0..10 {
        let (run, has_run) = channel();
        tokio::spawn(async move { run.send(()).unwrap() });
        let runs = has_run.recv_timeout(LONG);
        runs.expect("a worker that is not blocked");
    }
    assert_eq!(*received.lock().unwrap(), Vec::<String>::new());
    release.send(()).unwrap();
    while tab.unseen() > 0 {
        let seen = tokio::time::timeout(Duration::from_millis(10), tab.next());
        assert_eq!(seen.await.ok(), None, "only `seen` arrives");
    }
    assert_eq!(*received.lock().unwrap(), ["block", "next"]);
}
