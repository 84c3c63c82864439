//! Bursts: frames that are queued one by one, and written together.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::pin::pin;
use std::task::Poll;

use super::test_doubles::{CountingClient, CountingTask};
use super::*;
use crate::close::CloseCause;

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
    publish_as(outbox, text, policy, WriteMode::Queue, false)
}

fn publish_as(
    outbox: &Outbox,
    text: &'static str,
    policy: Policy,
    mode: WriteMode,
    volatile: bool,
) -> Delivery {
    let topic_frame = TopicFrame {
        frame: &frame(text),
        topic: 1,
        policy,
        volatile,
    };
    outbox.push_topic(topic_frame, mode, &mut DroppedPayloads::default())
}

#[test]
fn the_frames_of_a_burst_leave_in_one_write() {
    let (outbox, client, task) = connected(Outbox::new(100, 10), usize::MAX);
    assert_eq!(publish(&outbox, "a", Policy::Close), Delivery::Deferred);
    assert_eq!(publish(&outbox, "b", Policy::Latest), Delivery::Accepted);
    // A publisher outside of the burst, and a message for this client alone, follow the burst.
    let outside = publish_as(&outbox, "c", Policy::Close, WriteMode::Direct, false);
    assert_eq!(outside, Delivery::Accepted);
    assert_eq!(outbox.push(&frame("d")), Ok(()));
    assert_eq!(client.seen(), (0, Vec::new()));
    outbox.flush_direct();
    assert_eq!(client.seen(), (1, b"abcd".to_vec()));
    assert_eq!(task.wakes(), 0);
    // The burst is over.
    let outside = publish_as(&outbox, "e", Policy::Close, WriteMode::Direct, false);
    assert_eq!(outside, Delivery::Accepted);
    assert_eq!(client.seen(), (2, b"abcde".to_vec()));
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
    let volatile = |outbox: &_, text| {
        publish_as(outbox, text, Policy::Close, WriteMode::Queue, true);
    };
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

/// One step of a task in the test below. Each takes the lock of the outbox once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    /// Publishes within a burst.
    Queue(&'static str),
    /// Publishes outside of a burst.
    Write(&'static str),
    /// Flushes, if a publish of the same task has asked for it.
    Flush,
    /// The connection's task begins its burst.
    Cork,
    /// The connection's task ends its burst.
    Uncork,
    /// The client accepts everything from now on.
    MakeRoom,
}

/// The connection of an interleaving.
struct Run {
    outbox: Outbox,
    client: Arc<CountingClient>,
    task: Arc<CountingTask>,
    /// Whether each task must flush.
    must_flush: Vec<bool>,
    expected: Vec<u8>,
}

impl Run {
    fn new(tasks: usize, room: usize) -> Self {
        let (outbox, client, task) = connected(Outbox::new(100, 10), room);
        Self {
            outbox,
            client,
            task,
            must_flush: vec![false; tasks],
            expected: Vec::new(),
        }
    }

    fn uncork(&self) {
        let mut transport = OwnStream(self.client.clone());
        let waker = Waker::from(self.task.clone());
        let mut cx = Context::from_waker(&waker);
        let flushed = self.outbox.flush(
            &mut cx,
            &mut Vec::new(),
            &mut transport,
            Instant::now(),
            Uncork::Now,
        );
        assert!(flushed.0.is_ok());
    }

    fn step(&mut self, task: usize, step: Step) {
        match step {
            Step::Queue(text) | Step::Write(text) => {
                let mode = match step {
                    Step::Queue(_) => WriteMode::Queue,
                    _ => WriteMode::Direct,
                };
                let delivery = publish_as(&self.outbox, text, Policy::Close, mode, false);
                self.must_flush[task] |= delivery == Delivery::Deferred;
                self.expected.extend(text.as_bytes());
            }
            Step::Flush => {
                if std::mem::take(&mut self.must_flush[task]) {
                    self.outbox.flush_direct();
                }
            }
            Step::Cork => {
                self.outbox.cork(&self.task.clone().into());
            }
            Step::Uncork => self.uncork(),
            Step::MakeRoom => self.client.make_room(),
        }
    }

    /// Runs what the runtime would still run: the connection's task, if it was woken or waits for
    /// its socket.
    fn finish(&mut self) {
        let is_blocked = self.outbox.status().blocked.is_some();
        if self.task.wakes() > 0 || is_blocked {
            self.outbox.cork(&self.task.clone().into());
            self.uncork();
        }
    }
}

/// A step, and the task that takes it.
type TaskStep = (usize, Step);

/// Runs all interleavings of these tasks.
fn interleave(
    tasks: &[VecDeque<Step>],
    chosen: &mut Vec<TaskStep>,
    run: &mut dyn FnMut(&[TaskStep]),
) {
    let mut is_done = true;
    for index in 0..tasks.len() {
        let mut rest = tasks.to_vec();
        if let Some(step) = rest[index].pop_front() {
            is_done = false;
            chosen.push((index, step));
            interleave(&rest, chosen, run);
            chosen.pop();
        }
    }
    if is_done {
        run(chosen);
    }
}

#[test]
fn no_interleaving_leaves_a_frame_unwritten_or_changes_the_order() {
    use Step::{Cork, Flush, MakeRoom, Queue, Uncork, Write};
    let tasks: [VecDeque<Step>; 5] = [
        [Queue("a"), Queue("b"), Flush].into(),
        [Queue("c"), Flush].into(),
        [Write("d")].into(),
        [Cork, Uncork].into(),
        [MakeRoom].into(),
    ];
    for room in [usize::MAX, 0, 1] {
        let mut count = 0;
        interleave(&tasks, &mut Vec::new(), &mut |steps| {
            count += 1;
            let mut run = Run::new(tasks.len(), room);
            for (task, step) in steps {
                run.step(*task, *step);
            }
            run.finish();
            assert_eq!(run.client.written(), run.expected, "{room} {steps:?}");
            assert!(!run.outbox.has_waiting(), "{room} {steps:?}");
        });
        assert_eq!(count, 15_120);
    }
}
