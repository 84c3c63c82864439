use super::*;

const LIMITS: PageLimits = PageLimits {
    messages: 4,
    bytes: 4 * (OVERHEAD + 100),
    ..PageLimits::DEFAULT
};

impl PageQueue {
    /// The bytes that belong to this queue alone, and the messages that it shares with others:
    /// their identity and size.
    pub(in crate::page) fn parcels(&self) -> (usize, Vec<(usize, usize)>) {
        let own = self.items.iter().map(|item| match item.queued.shared {
            Some(_) => OVERHEAD,
            None => item.queued.push.tail().len() + OVERHEAD,
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
    fn acked(&mut self, offset: u64) -> Result<bool, UnsentOffset> {
        Ok(self.ack(self.check(offset)?))
    }

    fn resumed(&mut self, offset: u64) -> Result<Option<Gap>, UnsentOffset> {
        Ok(self.resume(self.check(offset)?))
    }

    fn foreign(&mut self, push: &Push) {
        self.push(QueuedPush::for_one(push), PushSource::Others, &LIMITS);
    }
}

fn filled(count: usize, limits: &PageLimits) -> PageQueue {
    let mut queue = new_queue();
    for _ in 0..count {
        queue.push(
            QueuedPush::for_one(&Push::text("x")),
            PushSource::Others,
            limits,
        );
    }
    queue
}

/// Sends the socket everything that may be in flight; returns the offsets, and resets as 0.
fn give(queue: &mut PageQueue) -> Vec<u64> {
    let mut mark_sent = Vec::new();
    while let Some(next) = queue.next() {
        mark_sent.push(match next {
            NextFrame::Reset(_) => 0,
            NextFrame::Message(_) => queue.sent + 1,
        });
        queue.mark_sent();
    }
    mark_sent
}

#[test]
fn a_message_is_given_once_and_kept_until_it_is_acknowledged() {
    let mut queue = filled(3, &LIMITS);
    assert_eq!(give(&mut queue), [1, 2, 3]);
    assert_eq!(queue.acked(2), Ok(true));
    assert_eq!(
        (queue.base(), queue.last(), queue.is_empty()),
        (2, 3, false)
    );
    assert_eq!(queue.acked(2), Ok(false), "a repetition");
    assert_eq!(queue.acked(1), Ok(false), "one that goes back");
    assert_eq!(queue.acked(3), Ok(true));
    assert!(queue.is_empty());
    assert_eq!((queue.counted, queue.in_flight), (0, 0));
}

#[test]
fn a_message_that_was_never_sent_cannot_be_acknowledged() {
    let mut queue = filled(2, &LIMITS);
    assert_eq!(queue.acked(1), Err(UnsentOffset));
    assert_eq!(queue.resumed(2), Err(UnsentOffset));
    assert_eq!(give(&mut queue), [1, 2]);
    assert_eq!(queue.acked(3), Err(UnsentOffset));
    assert_eq!(queue.base(), 0);
}

#[test]
fn a_new_socket_resumes_after_the_last_received_message() {
    let mut queue = filled(3, &LIMITS);
    give(&mut queue);
    assert_eq!(queue.resumed(2), Ok(None));
    assert_eq!(give(&mut queue), [3]);
    assert_eq!(queue.resumed(2), Ok(None));
    assert_eq!(give(&mut queue), [3], "it may have been lost again");
}

#[test]
fn a_page_behind_the_history_is_notified_of_the_gap() {
    let mut queue = filled(3, &LIMITS);
    give(&mut queue);
    queue.acked(2).unwrap();
    assert_eq!(queue.resumed(1), Ok(Some(Gap::History)));
    assert_eq!(give(&mut queue), [3]);
}

#[test]
fn above_a_limit_the_queue_is_dropped_and_the_page_is_notified() {
    let mut queue = filled(4, &LIMITS);
    give(&mut queue);
    let cost = cost(&Push::text("x"));
    assert!(!queue.fits(cost, PushSource::Others, &LIMITS));
    queue.foreign(&Push::text("x"));
    assert_eq!(
        (queue.base(), queue.counted, queue.is_empty()),
        (5, 0, true)
    );
    queue.foreign(&Push::text("x"));
    assert_eq!(
        give(&mut queue),
        [0, 6],
        "a reset, and then what came after"
    );
    assert_eq!(
        queue.acked(3),
        Ok(false),
        "it had not heard of the reset yet"
    );
    assert_eq!(queue.resumed(3), Ok(Some(Gap::Overflow)));
    assert_eq!(queue.resumed(5), Ok(None));
    assert_eq!(give(&mut queue), [6]);
}

#[test]
fn bytes_are_limited_too_and_one_message_of_any_size_fits() {
    let mut queue = new_queue();
    let large = Push::text(&"x".repeat(10_000));
    queue.foreign(&large);
    assert_eq!(give(&mut queue), [1]);
    queue.foreign(&Push::text("x"));
    assert_eq!((queue.base(), queue.is_empty()), (2, true));
    queue.foreign(&large);
    assert_eq!(queue.last(), 3);
    assert_eq!(give(&mut queue), [0, 3]);
}

#[test]
fn only_so_much_is_on_its_way() {
    let limits = PageLimits {
        messages: 1_000,
        ..PageLimits::DEFAULT
    };
    let mut queue = filled(300, &limits);
    assert_eq!(give(&mut queue).len(), 256);
    queue.acked(10).unwrap();
    assert_eq!(give(&mut queue).len(), 10);
    let mut queue = new_queue();
    for _ in 0..3 {
        let large = Push::text(&"x".repeat(200_000));
        queue.push(QueuedPush::for_one(&large), PushSource::Others, &limits);
    }
    assert_eq!(give(&mut queue), [1]);
    queue.acked(1).unwrap();
    assert_eq!(give(&mut queue), [2]);
}

#[test]
fn a_message_of_one_socket_can_be_acknowledged_on_the_next() {
    let mut queue = filled(3, &LIMITS);
    give(&mut queue);
    queue.resumed(0).unwrap();
    assert_eq!(queue.acked(3), Ok(true));
    assert_eq!(give(&mut queue), Vec::<u64>::new());
    queue.foreign(&Push::text("x"));
    assert_eq!(give(&mut queue), [4]);
    assert_eq!(queue.in_flight, cost(&Push::text("x")));
}

#[test]
fn a_handler_leaves_a_fourth_of_the_queue_free() {
    let fits = |queue: &PageQueue, cost, source| queue.fits(cost, source, &LIMITS);
    let small = cost(&Push::text("x"));
    let mut queue = filled(3, &LIMITS);
    assert!(!fits(&queue, small, PushSource::Handler), "messages");
    assert!(fits(&queue, small, PushSource::Others));
    queue = new_queue();
    let half = QueuedPush::for_one(&Push::text(&"x".repeat(350)));
    queue.push(half, PushSource::Handler, &LIMITS);
    assert!(!fits(&queue, 200, PushSource::Handler), "bytes");
    assert!(fits(&queue, 200, PushSource::Others));
}

#[test]
fn a_message_of_a_handler_of_any_size_fits_beside_a_few_of_others_and_they_beside_it() {
    let large = || Push::text(&"x".repeat(10_000));
    let mut queue = filled(1, &LIMITS);
    assert!(queue.fits(cost(&large()), PushSource::Handler, &LIMITS));
    queue.push(QueuedPush::for_one(&large()), PushSource::Handler, &LIMITS);
    assert!(!queue.fits(cost(&large()), PushSource::Handler, &LIMITS));
    queue.foreign(&Push::text("x"));
    assert_eq!((queue.base(), queue.last()), (0, 3));
    assert_eq!(give(&mut queue), [1, 2, 3]);
}
