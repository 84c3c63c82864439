//! Compares the queue with a simple reference: random sizes, pushes, acknowledgements and
//! disconnects.

use proptest::prelude::*;

use super::*;

const LIMITS: PageLimits = PageLimits {
    messages: 12,
    bytes: 4096,
    ..PageLimits::DEFAULT
};

/// One step of the model.
#[derive(Clone, Copy, Debug)]
enum QueueStep {
    /// Another source pushes a text of this many bytes.
    Push(usize),
    /// The handler sends a text of this many bytes, if it fits.
    Write(usize),
    /// The socket receives all messages that may be in flight.
    SendAll,
    /// The page acknowledges its last received offset minus this number.
    Ack(u64),
    /// The connection is lost with this many messages, and the page reconnects.
    Reconnect(u64),
    /// The page claims an offset that was never sent to it.
    AckUnsent,
}

fn step() -> impl Strategy<Value = QueueStep> {
    let size = prop_oneof![4 => 0..100_usize, 2 => 100..2_000_usize, 1 => 2_000..20_000_usize];
    prop_oneof![
        4 => size.clone().prop_map(QueueStep::Push),
        8 => size.prop_map(QueueStep::Write),
        6 => Just(QueueStep::SendAll),
        6 => (0..6_u64).prop_map(QueueStep::Ack),
        2 => (0..6_u64).prop_map(QueueStep::Reconnect),
        1 => Just(QueueStep::AckUnsent),
    ]
}

/// The reference: every message that is kept, and no derived state.
#[derive(Default)]
struct Reference {
    /// Offset, bytes, and counted bytes.
    kept: Vec<(u64, usize, usize)>,
    last: u64,
    /// The largest offset that was sent to any socket.
    last_sent: u64,
    /// The offset that the page has received.
    received: u64,
    resets: u32,
}

impl Reference {
    fn fits(&self, bytes: usize, messages_left: usize, bytes_left: usize) -> bool {
        let counted: usize = self.kept.iter().map(|(.., counted)| counted).sum();
        self.kept.is_empty()
            || (self.kept.len() < LIMITS.messages - messages_left
                && counted + bytes <= LIMITS.bytes - bytes_left)
    }

    fn add(&mut self, bytes: usize, counted: usize) {
        self.last += 1;
        self.kept.push((self.last, bytes, counted));
    }

    fn ack(&mut self, offset: u64) {
        self.kept.retain(|(kept, ..)| *kept > offset);
    }
}

struct QueueAndReference {
    queue: PageQueue,
    reference: Reference,
}

impl QueueAndReference {
    fn apply(&mut self, step: QueueStep) {
        let Self { queue, reference } = self;
        match step {
            QueueStep::Push(size) => {
                let push = Push::text(&"x".repeat(size));
                let bytes = cost(&push);
                let fits = reference.fits(bytes, 0, 0);
                assert_eq!(queue.fits(bytes, PushSource::Application, &LIMITS), fits);
                let pushed =
                    queue.push(QueuedPush::for_one(&push), PushSource::Application, &LIMITS);
                assert_eq!(pushed, fits);
                reference.add(bytes, bytes);
                if !fits {
                    reference.kept.clear();
                    reference.last_sent = reference.last;
                }
            }
            QueueStep::Write(size) => {
                let push = Push::text(&"x".repeat(size));
                let bytes = cost(&push);
                let counted = bytes.min(LIMITS.bytes / 2);
                let fits = reference.fits(counted, 3, LIMITS.bytes / 4);
                assert_eq!(queue.fits(bytes, PushSource::Handler, &LIMITS), fits);
                if !fits {
                    return;
                }
                queue.push(QueuedPush::for_one(&push), PushSource::Handler, &LIMITS);
                reference.add(bytes, counted);
                assert_eq!(queue.last(), reference.last);
                // Another source's push never overflows a queue that the handler has just added to.
                if queue.items.len() > 1 {
                    assert!(queue.fits(LIMITS.bytes / 4, PushSource::Application, &LIMITS));
                }
            }
            QueueStep::SendAll => self.send_all(),
            QueueStep::Ack(count) => {
                let offset = reference.received.saturating_sub(count);
                let offset = queue.check(offset).expect("an offset that was sent");
                reference.ack(offset.0);
                queue.ack(offset);
            }
            QueueStep::Reconnect(lost) => {
                reference.received = reference.received.saturating_sub(lost);
                let base = reference
                    .kept
                    .first()
                    .map_or(reference.last, |(it, ..)| it - 1);
                let gap = queue.resume(
                    queue
                        .check(reference.received)
                        .expect("an offset that was sent"),
                );
                assert_eq!(gap.is_some(), reference.received < base);
                reference.ack(reference.received);
                reference.received = queue.base();
            }
            QueueStep::AckUnsent => {
                assert_eq!(queue.check(reference.last_sent + 1), Err(UnsentOffset));
            }
        }
    }

    fn send_all(&mut self) {
        let Self { queue, reference } = self;
        while let Some(next) = queue.next() {
            match next {
                NextFrame::Reset(_, base) => {
                    assert!(base >= reference.received);
                    reference.received = base;
                    reference.resets += 1;
                }
                NextFrame::Message(frame) => {
                    let next = reference.received + 1;
                    let kept = reference.kept.iter().find(|(offset, ..)| *offset == next);
                    let (_, bytes, _) = kept.expect("a message that is kept, in order");
                    assert!(frame.len() > bytes - MESSAGE_OVERHEAD_BYTES);
                    reference.received = next;
                    reference.last_sent = reference.last_sent.max(next);
                }
            }
            queue.mark_sent();
        }
    }

    fn check(&self) {
        let Self { queue, reference } = self;
        let counted: usize = queue.items.iter().map(|item| item.counted).sum();
        assert_eq!(queue.counted, counted);
        assert_eq!(queue.items.len(), reference.kept.len());
        assert_eq!(queue.last(), reference.last);
        assert_eq!(queue.ever_sent, reference.last_sent);
        let sent = usize::try_from(queue.sent - queue.base).unwrap();
        let sent_items = queue.items.iter().take(sent);
        let in_flight: usize = sent_items.map(QueueItem::cost).sum();
        assert_eq!(queue.in_flight, in_flight);
        let bytes: usize = reference.kept.iter().map(|(_, bytes, _)| bytes).sum();
        assert_eq!(queue.held.bytes(), bytes);
        assert_eq!(queue.held.budget().used(), bytes);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn the_queue_behaves_like_its_reference(steps in prop::collection::vec(step(), 1..120)) {
        let mut tested = QueueAndReference { queue: PageQueue::new(&Budget::new(usize::MAX)), reference: Reference::default() };
        for step in steps {
            tested.apply(step);
            tested.check();
        }
        // A page that acknowledges receives everything in the end, and leaves room for any message.
        while !tested.queue.is_empty() || tested.queue.next().is_some() {
            tested.send_all();
            tested.apply(QueueStep::Ack(0));
            tested.check();
        }
        prop_assert!(tested.queue.fits(usize::MAX / 2, PushSource::Handler, &LIMITS));
        prop_assert_eq!(tested.queue.counted, 0);
    }

    /// If a page acknowledges everything it receives, it loses nothing, regardless of the sizes and
    /// of the handler's speed.
    #[test]
    fn a_handler_that_waits_for_room_never_causes_a_reset(
        sizes in prop::collection::vec((0..20_000_usize, 0..800_usize), 1..60),
    ) {
        let mut tested = QueueAndReference { queue: PageQueue::new(&Budget::new(usize::MAX)), reference: Reference::default() };
        for (written, pushed) in sizes {
            let push = Push::text(&"x".repeat(written));
            while !tested.queue.fits(cost(&push), PushSource::Handler, &LIMITS) {
                tested.apply(QueueStep::SendAll);
                tested.apply(QueueStep::Ack(0));
            }
            tested.apply(QueueStep::Write(written));
            tested.apply(QueueStep::Push(pushed));
        }
        tested.apply(QueueStep::SendAll);
        prop_assert_eq!(tested.reference.resets, 0);
    }
}
