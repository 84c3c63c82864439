//! Bursts: frames that are queued one by one, and written together.

use std::io::IoSlice;
use std::pin::pin;
use std::sync::atomic::AtomicUsize;
use std::task::Poll;

use super::test_doubles::{CountingClient, CountingTask};
use super::*;
use crate::close::CloseCause;

mod interleaved;

/// The same client as the stream of the connection's task.
struct OwnStream(Arc<CountingClient>);

impl Transport for OwnStream {
    fn poll_read(&mut self, _: &mut Context<'_>, _: &mut [u8]) -> Poll<io::Result<usize>> {
        Poll::Pending
    }

    fn poll_read_buf(
        &mut self,
        _: &mut Context<'_>,
        _: &mut bytes::buf::Limit<&mut Vec<u8>>,
    ) -> Poll<io::Result<usize>> {
        Poll::Pending
    }

    fn poll_write_vectored(
        &mut self,
        _: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.0.try_write_vectored(slices) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
            written => Poll::Ready(written),
        }
    }

    fn poll_shutdown(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn direct(&self) -> Option<Arc<dyn DirectWrite>> {
        Some(self.0.clone())
    }
}

/// A connection with this client.
fn connected(outbox: Outbox, room: usize) -> (Outbox, Arc<CountingClient>, Arc<CountingTask>) {
    let client = CountingClient::with_room(room);
    let task = Arc::new(CountingTask::default());
    outbox.connect(Some(client.clone()));
    outbox.set_waker(&task.clone().into());
    (outbox, client, task)
}

fn frame(text: &'static str) -> Frame {
    Frame::whole(Bytes::from_static(text.as_bytes()))
}

fn publish(outbox: &Outbox, text: &'static str, policy: Policy) -> Delivery {
    publish_as(outbox, text, policy, queued(), false)
}

thread_local! {
    static FLUSH: FlushId = FlushId::next();
}

/// The mode of the publishes of one burst.
fn queued() -> TopicWrite {
    TopicWrite::Queue(FLUSH.with(|flush| *flush))
}

fn publish_as(
    outbox: &Outbox,
    text: &'static str,
    policy: Policy,
    mode: TopicWrite,
    volatile: bool,
) -> Delivery {
    let topic_frame = TopicFrame {
        frame: &frame(text),
        topic: 1,
        policy,
        volatile,
    };
    let mut after = AfterPush::default();
    let delivery = outbox.push_topic(topic_frame, mode, &mut after);
    after.wake();
    if after.take_freed() {
        outbox.changed().notify_waiters();
    }
    delivery
}

#[test]
fn the_frames_of_a_burst_leave_in_one_write() {
    let (outbox, client, task) = connected(Outbox::new(100, 10), usize::MAX);
    assert_eq!(publish(&outbox, "a", Policy::Close), Delivery::Deferred);
    assert_eq!(publish(&outbox, "b", Policy::Latest), Delivery::Accepted);
    assert_eq!(client.seen(), (0, Vec::new()));
    outbox.flush_direct();
    assert_eq!(client.seen(), (1, b"ab".to_vec()));
    assert_eq!(task.wakes(), 0);
    // The burst is over.
    let outside = publish_as(&outbox, "c", Policy::Close, TopicWrite::Direct, false);
    assert_eq!(outside, Delivery::Accepted);
    assert_eq!(client.seen(), (2, b"abc".to_vec()));
}

#[test]
fn nothing_waits_for_the_flush_of_another_publisher() {
    let (outbox, client, _) = connected(Outbox::new(100, 10), usize::MAX);
    let queue = |text, mode| publish_as(&outbox, text, Policy::Close, mode, false);
    // None of these flushes, as if each publisher were blocked.
    assert_eq!(queue("a", queued()), Delivery::Deferred);
    let other = TopicWrite::Queue(FlushId::next());
    assert_eq!(queue("b", other), Delivery::Deferred);
    assert_eq!(queue("c", other), Delivery::Accepted);
    assert_eq!(client.seen(), (0, Vec::new()));
    assert_eq!(outbox.push(&frame("d")), Ok(()));
    assert_eq!(client.seen(), (1, b"abcd".to_vec()));
    assert_eq!(queue("e", queued()), Delivery::Deferred);
    let outside = queue("f", TopicWrite::Direct);
    assert_eq!(outside, Delivery::AcceptedAfterWrite);
    assert_eq!(client.seen(), (2, b"abcdef".to_vec()));
    // A flush of what is written already.
    outbox.flush_direct();
    assert_eq!(client.seen().0, 2);
}

/// Locks the outbox when it is woken, like code of the application that sends.
struct Sends(Arc<Outbox>, AtomicUsize);

impl std::task::Wake for Sends {
    fn wake(self: Arc<Self>) {
        assert!(self.0.state.try_lock().is_ok());
        self.1.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn a_publish_that_writes_wakes_tasks_only_when_its_caller_holds_no_lock() {
    let outbox = Arc::new(Outbox::new(100, 10));
    let client = CountingClient::with_room(1);
    outbox.connect(Some(client.clone()));
    let task = Arc::new(Sends(outbox.clone(), AtomicUsize::new(0)));
    outbox.set_waker(&task.clone().into());
    let mut changed = pin!(outbox.changed().notified());
    changed.as_mut().enable();
    publish(&outbox, "ab", Policy::Close);
    let mut after = AfterPush::default();
    let topic_frame = TopicFrame {
        frame: &frame("c"),
        topic: 1,
        policy: Policy::Close,
        volatile: false,
    };
    let delivery = outbox.push_topic(topic_frame, TopicWrite::Direct, &mut after);
    assert_eq!(delivery, Delivery::AcceptedAfterWrite);
    let waiter = Arc::new(CountingTask::default());
    let waker = Waker::from(waiter.clone());
    let mut cx = Context::from_waker(&waker);
    assert_eq!(client.seen(), (1, b"a".to_vec()));
    assert!(changed.as_mut().poll(&mut cx).is_pending());
    assert_eq!((task.1.load(Ordering::Relaxed), waiter.wakes()), (0, 0));
    after.wake();
    assert_eq!(task.1.load(Ordering::Relaxed), 1);
    assert!(after.take_freed());
    assert!(!after.take_freed());
}

#[test]
fn a_burst_alone_never_fills_an_outbox() {
    for policy in [
        Policy::Close,
        Policy::DropOldest,
        Policy::DropNewest,
        Policy::Latest,
    ] {
        let (outbox, client, _) = connected(Outbox::new(5, 2), usize::MAX);
        for text in ["aa", "bb", "cc", "dddd", "e"] {
            let delivery = publish(&outbox, text, policy);
            let accepted = matches!(delivery, Delivery::Accepted | Delivery::Deferred);
            assert!(accepted, "{policy:?} {text}: {delivery:?}");
        }
        assert_eq!(outbox.push(&frame("ffff")), Ok(()), "{policy:?}");
        outbox.flush_direct();
        let expected = b"aabbccddddeffff".to_vec();
        assert_eq!((outbox.dropped(), client.written()), (0, expected));
    }
}

#[test]
fn a_long_burst_is_written_when_it_fills_one_write() {
    let small: &str = "0123456789";
    let large: &str = Box::leak("x".repeat(10_000).into_boxed_str());
    // The number of frames of each write: one vectored write, or 64 KiB.
    for (text, per_write) in [(small, 63), (large, 6)] {
        let (outbox, client, _) = connected(Outbox::new(1 << 20, 1024), usize::MAX);
        for count in 1..=1000 {
            publish(&outbox, text, Policy::Close);
            let (writes, written) = client.seen();
            assert_eq!(writes, (count - 1) / per_write, "{count}");
            assert_eq!(written.len() + outbox.buffered(), count * text.len());
        }
    }
}

#[test]
fn a_volatile_frame_is_dropped_behind_a_backlog_but_not_behind_its_burst() {
    let volatile = |outbox: &_, text| publish_as(outbox, text, Policy::Close, queued(), true);
    let (outbox, client, _) = connected(Outbox::new(100, 10), usize::MAX);
    publish(&outbox, "a", Policy::Close);
    volatile(&outbox, "b");
    outbox.flush_direct();
    assert_eq!((client.seen(), outbox.dropped()), ((1, b"ab".into()), 0));

    // The first write blocks: as if each frame had been written by itself.
    let (outbox, client, task) = connected(Outbox::new(100, 10), 0);
    publish(&outbox, "a", Policy::Close);
    volatile(&outbox, "b");
    publish(&outbox, "c", Policy::Close);
    outbox.flush_direct();
    assert_eq!(task.wakes(), 1);
    volatile(&outbox, "d");
    assert_eq!((outbox.buffered(), outbox.dropped()), (2, 2));
    client.make_room();
    outbox.flush_direct();
    assert_eq!(client.written(), b"ac");
}

#[test]
fn a_volatile_frame_that_does_not_fit_a_corked_outbox_is_skipped() {
    let (outbox, client, task) = connected(Outbox::new(100, 4), usize::MAX);
    outbox.cork(&task.into());
    let deliveries: Vec<_> = ["a", "b", "c", "d", "e"]
        .map(|text| publish_as(&outbox, text, Policy::Close, queued(), true))
        .into();
    assert_eq!(deliveries[..4], [Delivery::Accepted; 4]);
    assert_eq!(deliveries[4], Delivery::Skipped);
    assert_eq!((outbox.buffered(), outbox.dropped()), (4, 1));
    assert_eq!(
        publish(&outbox, "f", Policy::Close),
        Delivery::Overflow,
        "a frame that must not be dropped"
    );
    assert_eq!(client.seen(), (0, Vec::new()));
}

#[test]
fn a_volatile_frame_behind_the_rest_of_the_cork_is_dropped() {
    let (outbox, client, task) = connected(Outbox::new(100, 10), 3);
    outbox.cork(&task.clone().into());
    publish_as(&outbox, "a", Policy::Close, queued(), true);
    publish(&outbox, "b", Policy::Close);
    let waker = Waker::from(task);
    let flush = |mut cork| {
        let flushed = outbox.flush(
            &mut Context::from_waker(&waker),
            &mut cork,
            &mut OwnStream(client.clone()),
            Instant::now(),
            Uncork::Now,
        );
        assert!(flushed.0.is_ok());
    };
    let reply = b"\x81\x03xyz".to_vec();
    flush(reply);
    assert_eq!((outbox.buffered(), outbox.dropped()), (3, 1));
    client.make_room();
    flush(Vec::new());
    assert_eq!(client.written(), b"\x81\x03xyzb");
}

#[test]
fn a_discarded_burst_leaves_nothing_to_drop() {
    let (outbox, _, _) = connected(Outbox::new(100, 10), 0);
    publish(&outbox, "a", Policy::Latest);
    publish(&outbox, "b", Policy::Latest);
    let reason = CloseReason::of(CloseCause::ServerClosed, &Close::NORMAL);
    let mut state = outbox.lock();
    assert!(state.queue.has_droppable());
    state.queue.clear(&mut DroppedPayloads::default());
    assert!(!state.queue.has_droppable());
    drop(state);
    publish(&outbox, "a", Policy::Latest);
    publish(&outbox, "b", Policy::Latest);
    outbox.discard_and_close(&Close::NORMAL, reason);
    assert!(!outbox.lock().queue.has_droppable());
}

#[tokio::test]
async fn a_flush_notifies_tasks_that_wait_for_capacity() {
    let (outbox, client, _) = connected(Outbox::new(100, 1), 0);
    publish(&outbox, "a", Policy::Close);
    let mut changed = pin!(outbox.changed().notified());
    assert!(!changed.as_mut().enable());
    assert_eq!(outbox.push(&frame("b")), Err(PushError::Full));
    assert!(!changed.as_mut().enable());
    client.make_room();
    outbox.flush_direct();
    assert!(changed.as_mut().enable());
    assert_eq!(outbox.push(&frame("b")), Ok(()));
    assert_eq!(client.written(), b"ab");
}

#[test]
fn a_close_follows_the_burst() {
    let reason = CloseReason::of(CloseCause::ServerClosed, &Close::NORMAL);
    let close = *b"\x88\x02\x03\xe8";
    for discards in [false, true] {
        let (outbox, client, task) = connected(Outbox::new(100, 10), usize::MAX);
        publish(&outbox, "a", Policy::Close);
        publish(&outbox, "b", Policy::Close);
        if discards {
            assert!(outbox.discard_and_close(&Close::NORMAL, reason.clone()));
        } else {
            assert!(outbox.close(&Close::NORMAL, reason.clone()));
        }
        assert_eq!(publish(&outbox, "c", Policy::Close), Delivery::Closed);
        outbox.flush_direct();
        assert_eq!(client.written(), [&b"ab"[..], &close].concat());
        assert!(task.wakes() > 0);
    }
}
