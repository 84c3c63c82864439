//! All orders in which publishers and the connection's task can use an outbox.

use std::collections::VecDeque;

use super::*;

/// One step of a task in the tests below. Each takes the lock of the outbox once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    /// Publishes within the burst of the task.
    Queue(&'static str),
    /// Sends a message.
    Send(&'static str),
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
    /// The flush of each task.
    flushes: Vec<FlushId>,
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
            flushes: (0..tasks).map(|_| FlushId::next()).collect(),
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
                    Step::Queue(_) => TopicWrite::Queue(self.flushes[task]),
                    _ => TopicWrite::Direct,
                };
                let delivery = publish_as(&self.outbox, text, Policy::Close, mode, false);
                self.must_flush[task] |= delivery == Delivery::Deferred;
                self.expected.extend(text.as_bytes());
            }
            Step::Send(text) => {
                assert_eq!(self.outbox.push(&frame(text)), Ok(()));
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

#[test]
fn no_interleaving_lets_a_frame_wait_for_a_publisher_that_never_flushes() {
    use Step::{Flush, Queue, Send, Write};
    let blocked: VecDeque<Step> = [Queue("a"), Queue("b")].into();
    let others: [VecDeque<Step>; 3] = [
        [Queue("c"), Queue("d"), Flush].into(),
        [Send("e")].into(),
        [Write("f")].into(),
    ];
    let tasks: Vec<_> = [blocked].into_iter().chain(others).collect();
    let mut count = 0;
    interleave(&tasks, &mut Vec::new(), &mut |steps| {
        count += 1;
        let mut run = Run::new(tasks.len(), usize::MAX);
        let mut of_others = 0;
        for (index, (task, step)) in steps.iter().enumerate() {
            run.step(*task, *step);
            if *task != 0 {
                of_others = index;
            }
        }
        // Only what is published after the last step of the others may wait.
        let late = steps[of_others..].iter().filter(|(task, _)| *task == 0);
        let end = run.expected.len() - late.count();
        let written = run.client.written();
        assert_eq!(written[..end], run.expected[..end], "{steps:?}");
    });
    assert_eq!(count, 420);
}
