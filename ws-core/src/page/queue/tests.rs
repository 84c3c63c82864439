use super::*;

const LIMITS: PageLimits = PageLimits {
    messages: 4,
    bytes: 4 * (MESSAGE_OVERHEAD_BYTES + 100),
    ..PageLimits::DEFAULT
};

impl PageQueue {
    /// The bytes that belong to this queue alone, and the messages that it shares with others:
    /// their identity and size.
    pub(in crate::page) fn queued_bytes(&self) -> (usize, Vec<(usize, usize)>) {
        let own = self.items.iter().map(|item| match item.queued.shared {
            Some(_) => MESSAGE_OVERHEAD_BYTES,
            None => item.queued.push.tail().len() + MESSAGE_OVERHEAD_BYTES,
        });
        let shared = self.items.iter().filter_map(|item| {
            let charge = item.queued.shared.as_ref()?;
            Some((Arc::as_ptr(charge).addr(), item.queued.push.tail().len()))
        });
        (own.sum(), shared.collect())
    }

    pub(in crate::page) fn last_sent(&self) -> u64 {
        self.sent
    }
}

fn new_queue() -> PageQueue {
    PageQueue::new(&Budget::new(usize::MAX))
}

impl PageQueue {
    fn ack_checked(&mut self, offset: u64) -> Result<bool, UnsentOffset> {
        Ok(self.ack(self.check(offset)?))
    }

    fn resume_checked(&mut self, offset: u64) -> Result<Option<Gap>, UnsentOffset> {
        Ok(self.resume(self.check(offset)?))
    }

    fn push_from_others(&mut self, push: &Push) {
        self.push(QueuedPush::for_one(push), PushSource::Application, &LIMITS);
    }
}

fn filled(count: usize, limits: &PageLimits) -> PageQueue {
    let mut queue = new_queue();
    for _ in 0..count {
        queue.push(
            QueuedPush::for_one(&Push::text("x")),
            PushSource::Application,
            limits,
        );
    }
    queue
}

/// Sends the socket everything that may be in flight; returns the offsets, and resets as 0.
fn send_all(queue: &mut PageQueue) -> Vec<u64> {
    let mut offsets = Vec::new();
    while let Some(next) = queue.next() {
        offsets.push(match next {
            NextFrame::Reset(..) => 0,
            NextFrame::Message(_) => queue.sent + 1,
        });
        queue.mark_sent();
    }
    offsets
}

#[test]
fn a_message_is_sent_once_and_kept_until_it_is_acknowledged() {
    let mut queue = filled(3, &LIMITS);
    assert_eq!(send_all(&mut queue), [1, 2, 3]);
    assert_eq!(queue.ack_checked(2), Ok(true));
    assert_eq!(
        (queue.base(), queue.last(), queue.is_empty()),
        (2, 3, false)
    );
    assert_eq!(queue.ack_checked(2), Ok(false), "a repetition");
    assert_eq!(queue.ack_checked(1), Ok(false), "an earlier offset");
    assert_eq!(queue.ack_checked(3), Ok(true));
    assert!(queue.is_empty());
    assert_eq!((queue.counted, queue.in_flight), (0, 0));
}

#[test]
fn a_message_that_was_never_sent_cannot_be_acknowledged() {
    let mut queue = filled(2, &LIMITS);
    assert_eq!(queue.ack_checked(1), Err(UnsentOffset));
    assert_eq!(queue.resume_checked(2), Err(UnsentOffset));
    assert_eq!(send_all(&mut queue), [1, 2]);
    assert_eq!(queue.ack_checked(3), Err(UnsentOffset));
    assert_eq!(queue.base(), 0);
}

#[test]
fn a_new_socket_resumes_after_the_last_received_message() {
    let mut queue = filled(3, &LIMITS);
    send_all(&mut queue);
    assert_eq!(queue.resume_checked(2), Ok(None));
    assert_eq!(send_all(&mut queue), [3]);
    assert_eq!(queue.resume_checked(2), Ok(None));
    assert_eq!(send_all(&mut queue), [3], "it may have been lost again");
}

#[test]
fn a_page_behind_the_history_is_notified_of_the_gap() {
    let mut queue = filled(3, &LIMITS);
    send_all(&mut queue);
    queue.ack_checked(2).unwrap();
    assert_eq!(queue.resume_checked(1), Ok(Some(Gap::History)));
    assert_eq!(send_all(&mut queue), [3]);
}

#[test]
fn above_a_limit_the_queue_is_dropped_and_the_page_is_notified() {
    let mut queue = filled(4, &LIMITS);
    send_all(&mut queue);
    let cost = cost(&Push::text("x"));
    assert!(!queue.fits(cost, PushSource::Application, &LIMITS));
    queue.push_from_others(&Push::text("x"));
    assert_eq!(
        (queue.base(), queue.counted, queue.is_empty()),
        (5, 0, true)
    );
    queue.push_from_others(&Push::text("x"));
    assert_eq!(
        send_all(&mut queue),
        [0, 6],
        "a reset, then the later message"
    );
    assert_eq!(
        queue.ack_checked(3),
        Ok(false),
        "the page has not received the reset yet"
    );
    assert_eq!(queue.resume_checked(3), Ok(Some(Gap::Overflow)));
    assert_eq!(queue.resume_checked(5), Ok(None));
    assert_eq!(send_all(&mut queue), [6]);
}

#[test]
fn a_page_misses_something_until_it_has_received_a_reset() {
    let mut queue = filled(2, &LIMITS);
    send_all(&mut queue);
    assert_eq!(queue.needed_offset(), Some(2));
    queue.overflow();
    assert_eq!(queue.needed_offset(), None, "the reset was not sent");
    send_all(&mut queue);
    assert_eq!(queue.needed_offset(), Some(2), "it is behind the messages");
}

#[test]
fn bytes_are_limited_too_and_one_message_of_any_size_fits() {
    let mut queue = new_queue();
    let large = Push::text(&"x".repeat(10_000));
    queue.push_from_others(&large);
    assert_eq!(send_all(&mut queue), [1]);
    queue.push_from_others(&Push::text("x"));
    assert_eq!((queue.base(), queue.is_empty()), (2, true));
    queue.push_from_others(&large);
    assert_eq!(queue.last(), 3);
    assert_eq!(send_all(&mut queue), [0, 3]);
}

#[test]
fn the_messages_in_flight_are_limited() {
    let limits = PageLimits {
        messages: 1_000,
        ..PageLimits::DEFAULT
    };
    let mut queue = filled(300, &limits);
    assert_eq!(send_all(&mut queue).len(), 256);
    queue.ack_checked(10).unwrap();
    assert_eq!(send_all(&mut queue).len(), 10);
    let mut queue = new_queue();
    for _ in 0..3 {
        let large = Push::text(&"x".repeat(200_000));
        queue.push(
            QueuedPush::for_one(&large),
            PushSource::Application,
            &limits,
        );
    }
    assert_eq!(send_all(&mut queue), [1]);
    queue.ack_checked(1).unwrap();
    assert_eq!(send_all(&mut queue), [2]);
}

#[test]
fn a_message_of_one_socket_can_be_acknowledged_on_the_next() {
    let mut queue = filled(3, &LIMITS);
    send_all(&mut queue);
    queue.resume_checked(0).unwrap();
    assert_eq!(queue.ack_checked(3), Ok(true));
    assert_eq!(send_all(&mut queue), Vec::<u64>::new());
    queue.push_from_others(&Push::text("x"));
    assert_eq!(send_all(&mut queue), [4]);
    assert_eq!(queue.in_flight, cost(&Push::text("x")));
}

#[test]
fn a_handler_may_fill_three_quarters_of_the_queue() {
    let fits = |queue: &PageQueue, cost, source| queue.fits(cost, source, &LIMITS);
    let small = cost(&Push::text("x"));
    let mut queue = filled(3, &LIMITS);
    assert!(!fits(&queue, small, PushSource::Handler), "messages");
    assert!(fits(&queue, small, PushSource::Application));
    queue = new_queue();
    let half = QueuedPush::for_one(&Push::text(&"x".repeat(350)));
    queue.push(half, PushSource::Handler, &LIMITS);
    assert!(!fits(&queue, 200, PushSource::Handler), "bytes");
    assert!(fits(&queue, 200, PushSource::Application));
}

#[test]
fn a_large_message_of_a_handler_and_small_ones_of_others_fit_together() {
    let large = || Push::text(&"x".repeat(10_000));
    let mut queue = filled(1, &LIMITS);
    assert!(queue.fits(cost(&large()), PushSource::Handler, &LIMITS));
    queue.push(QueuedPush::for_one(&large()), PushSource::Handler, &LIMITS);
    assert!(!queue.fits(cost(&large()), PushSource::Handler, &LIMITS));
    queue.push_from_others(&Push::text("x"));
    assert_eq!((queue.base(), queue.last()), (0, 3));
    assert_eq!(send_all(&mut queue), [1, 2, 3]);
}
