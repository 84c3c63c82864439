//! Publishers that meet others: in one round of a thread, on other threads and runtimes.

use std::sync::mpsc;
use std::task::Waker;

use super::*;
use crate::outbox::Frame;

#[test]
fn a_publisher_that_blocks_does_not_hold_back_what_others_publish_or_send() {
    let setup = Setup::new(1024);
    let (published, is_published) = mpsc::channel();
    let (resume, is_resumed) = mpsc::channel::<()>();
    let blocked = setup.clone();
    let blocked = thread::spawn(move || {
        let _burst = Burst::open();
        blocked.publish("a", "1");
        published.send(()).unwrap();
        // As a hook that waits for a file.
        let _ = is_resumed.recv();
    });
    is_published.recv().unwrap();
    // Another hook.
    let burst = Burst::open();
    setup.publish("b", "2");
    drop(burst);
    assert_eq!(setup.seen(), (1, "12".to_owned()));
    for text in ["3", "4"] {
        publish_in_task(&current_thread(), &setup, "a", text);
    }
    assert_eq!(setup.seen(), (3, "1234".to_owned()));
    drop(resume);
    blocked.join().unwrap();
    assert_eq!(setup.seen(), (3, "1234".to_owned()));
}

/// Publishes in a task, and waits until the tasks of the runtime have flushed.
fn publish_in_task(runtime: &runtime::Runtime, setup: &Arc<Setup>, name: &str, text: &str) {
    let (publisher, name, text) = (setup.clone(), name.to_owned(), text.to_owned());
    runtime.block_on(async {
        let publish = async move { publisher.publish(&name, &text) };
        tokio::spawn(publish).await.unwrap();
        settle().await;
    });
}

#[test]
fn a_task_of_a_runtime_that_is_not_driven_holds_nothing_back() {
    for inline in [0, 1, 1024] {
        let setup = Setup::new(inline);
        let server = current_thread();
        server.block_on(async { setup.topics.note_runtime() });
        // A bridge from synchronous code: its runtime runs only while it waits for the task.
        let admin = current_thread();
        let publisher = setup.clone();
        let publish = async move { publisher.publish("a", "1") };
        admin.block_on(async { tokio::spawn(publish).await.unwrap() });
        server.block_on(settle());
        assert_eq!(setup.seen(), (1, "1".to_owned()), "{inline}");
        publish_in_task(&server, &setup, "b", "2");
        assert_eq!(setup.seen(), (2, "12".to_owned()), "{inline}");
    }
}

#[test]
fn a_round_of_another_runtime_is_not_waited_for() {
    let setup = Setup::new(1024);
    // The flush task of this runtime never runs, but it is not dropped either.
    let stopped = current_thread();
    let publisher = setup.clone();
    let publish = async move { publisher.publish("a", "1") };
    stopped.block_on(async { tokio::spawn(publish).await.unwrap() });
    assert_eq!(setup.seen(), (0, String::new()));
    publish_in_task(&current_thread(), &setup, "b", "2");
    assert_eq!(setup.seen(), (1, "12".to_owned()));
    drop(stopped);
    assert_eq!(setup.seen(), (1, "12".to_owned()));
}

/// Runs a burst that publishes these texts.
fn publish_in_burst(setup: &Setup, texts: &[&str]) {
    let burst = Burst::open();
    for text in texts {
        setup.publish("a", text);
    }
    drop(burst);
}

#[test]
fn bursts_that_meet_in_a_round_are_written_together_from_the_second_one_on() {
    // More sockets than a round needs to be worth a task.
    let setup = Setup::with_clients(1024, 8);
    current_thread().block_on(async {
        // A burst of its own is written at its end.
        for (count, text) in ["1", "2", "3"].into_iter().enumerate() {
            publish_in_burst(&setup, &[text]);
            assert_eq!(setup.seen().0, count + 1);
            settle().await;
        }
        publish_in_burst(&setup, &["4", "5"]);
        assert_eq!(setup.seen(), (4, "12345".to_owned()));
        publish_in_burst(&setup, &["6"]);
        publish_in_burst(&setup, &["7"]);
        assert_eq!(setup.seen(), (4, "12345".to_owned()));
        settle().await;
        assert_eq!(setup.seen(), (5, "1234567".to_owned()));
        // The thread has learned that bursts meet.
        for count in 0..3 {
            publish_in_burst(&setup, &["x"]);
            publish_in_burst(&setup, &["y"]);
            assert_eq!(setup.seen().0, 5 + count);
            settle().await;
            assert_eq!(setup.seen().0, 6 + count);
        }
        // They meet no longer.
        for count in 0..30 {
            publish_in_burst(&setup, &["z"]);
            settle().await;
            assert_eq!(setup.seen().0, 9 + count);
        }
        publish_in_burst(&setup, &["8"]);
        assert_eq!(setup.seen().0, 39);
    });
}

#[test]
fn the_end_of_a_burst_writes_to_no_more_sockets_than_allowed() {
    let setup = Setup::with_clients(3, 8);
    let written = || setup.clients.iter().filter(|it| it.seen().0 > 0).count();
    current_thread().block_on(async {
        publish_in_burst(&setup, &["1"]);
        assert_eq!(written(), 3);
        settle().await;
        assert_eq!(setup.seen(), (1, "1".to_owned()));
    });
}

#[test]
fn a_flush_that_moves_to_another_thread_runs_there_at_once() {
    // The publisher may not write itself.
    let setup = Setup::new(0);
    let runtime = current_thread();
    let entered = runtime.enter();
    publish_in_burst(&setup, &["1"]);
    drop(entered);
    assert_eq!(setup.seen(), (0, String::new()));
    // That thread may have no other task until its next event.
    let other = thread::spawn(move || runtime.block_on(yield_now()));
    other.join().unwrap();
    assert_eq!(setup.seen(), (1, "1".to_owned()));
}

/// Runs the burst of this connection, which publishes a text. Returns whether the connection leaves
/// the writing to the flush of the round.
fn publish_as(setup: &Setup, index: usize, text: &str) -> bool {
    let connection = &setup.connections[index];
    let burst = Burst::open();
    connection.outbox.cork(Waker::noop());
    setup.publish("a", text);
    burst.leave(connection, &setup.topics).is_some()
}

/// Two bursts meet, so the thread expects the next ones to meet as well.
async fn meet(setup: &Setup) {
    for text in ["1", "2"] {
        publish_in_burst(setup, &[text]);
    }
    settle().await;
    assert_eq!(setup.seen().1, "12");
}

#[test]
fn each_member_of_a_room_in_which_all_speak_gets_one_write() {
    let setup = Setup::with_clients(1024, 8);
    current_thread().block_on(async {
        meet(&setup).await;
        let (before, _) = setup.seen();
        for (index, text) in ["3", "4", "5", "6", "7", "8", "9", "0"]
            .into_iter()
            .enumerate()
        {
            assert!(publish_as(&setup, index, text));
        }
        assert_eq!(setup.seen().0, before);
        settle().await;
        assert_eq!(setup.seen(), (before + 1, "1234567890".to_owned()));
    });
}

#[test]
fn a_connection_writes_itself_what_no_flush_may_write_for_it() {
    let setup = Setup::with_clients(1024, 8);
    current_thread().block_on(async {
        // Alone in its round.
        assert!(!publish_as(&setup, 0, "x"));
        setup.connections[0].outbox.flush_direct();
    });
    let setup = Setup::with_clients(1024, 8);
    current_thread().block_on(async {
        meet(&setup).await;
        let leaves = |index: usize, prepare: &dyn Fn(&Outbox)| {
            let connection = &setup.connections[index];
            let burst = Burst::open();
            connection.outbox.cork(Waker::noop());
            setup.publish("a", "3");
            prepare(&connection.outbox);
            burst.leave(connection, &setup.topics).is_some()
        };
        let message = Frame::owned(Message::text("for this client alone"));
        assert!(!leaves(0, &|outbox| outbox.push(&message).unwrap()));
        // A transport that only its own task can write to.
        assert!(!leaves(1, &|outbox| outbox.connect(None)));
        let inner = Burst::open();
        assert!(!leaves(3, &|_| {}));
        drop(inner);
        assert!(leaves(4, &|_| {}));
        assert!(!leaves(2, &|outbox| {
            let reason = CloseReason::of(CloseCause::ServerClosed, &Close::NORMAL);
            assert!(outbox.close(&Close::NORMAL, reason));
        }));
    });
}
