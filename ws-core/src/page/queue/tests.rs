use super::*;

const LIMITS: PageLimits = PageLimits {
    messages: 4,
    bytes: 4 * (OVERHEAD + 100),
    ..PageLimits::DEFAULT
};

fn filled(count: usize, limits: &PageLimits) -> Queue {
    let mut queue = Queue::default();
    for _ in 0..count {
        queue.push(Push::text("x"), limits);
    }
    queue
}

/// Gives the socket everything that it may be given; returns the offsets, and resets as 0.
fn give(queue: &mut Queue) -> Vec<u64> {
    let mut given = Vec::new();
    while let Some(next) = queue.next() {
        given.push(match next {
            Next::Reset(_) => 0,
            Next::Message(_) => queue.sent + 1,
        });
        queue.given();
    }
    given
}

#[test]
fn a_message_is_given_once_and_kept_until_it_is_acknowledged() {
    let mut queue = filled(3, &LIMITS);
    assert_eq!(give(&mut queue), [1, 2, 3]);
    assert_eq!(queue.ack(2), Ok(true));
    assert_eq!(
        (queue.base(), queue.last(), queue.is_empty()),
        (2, 3, false)
    );
    assert_eq!(queue.ack(2), Ok(false), "a repetition");
    assert_eq!(queue.ack(1), Ok(false), "one that goes back");
    assert_eq!(queue.ack(3), Ok(true));
    assert!(queue.is_empty());
    assert_eq!((queue.bytes, queue.in_flight), (0, 0));
}

#[test]
fn what_was_never_sent_cannot_be_acknowledged() {
    let mut queue = filled(2, &LIMITS);
    assert_eq!(queue.ack(1), Err(FromTheFuture));
    assert_eq!(queue.resume(2), Err(FromTheFuture));
    assert_eq!(give(&mut queue), [1, 2]);
    assert_eq!(queue.ack(3), Err(FromTheFuture));
    assert_eq!(queue.base(), 0);
}

#[test]
fn a_new_socket_goes_on_behind_what_the_page_has() {
    let mut queue = filled(3, &LIMITS);
    give(&mut queue);
    assert_eq!(queue.resume(2), Ok(None));
    assert_eq!(give(&mut queue), [3]);
    assert_eq!(queue.resume(2), Ok(None));
    assert_eq!(give(&mut queue), [3], "it may have been lost again");
}

#[test]
fn a_page_that_is_behind_what_is_kept_hears_of_it() {
    let mut queue = filled(3, &LIMITS);
    give(&mut queue);
    queue.ack(2).unwrap();
    assert_eq!(queue.resume(1), Ok(Some(Gap::History)));
    assert_eq!(give(&mut queue), [3]);
}

#[test]
fn past_a_limit_everything_is_dropped_and_the_page_hears_of_it() {
    let mut queue = filled(4, &LIMITS);
    give(&mut queue);
    assert!(queue.is_full(&LIMITS));
    queue.push(Push::text("x"), &LIMITS);
    assert_eq!((queue.base(), queue.bytes, queue.is_empty()), (5, 0, true));
    queue.push(Push::text("x"), &LIMITS);
    assert_eq!(
        give(&mut queue),
        [0, 6],
        "a reset, and then what came after"
    );
    assert_eq!(queue.ack(3), Ok(false), "it had not heard of the reset yet");
    assert_eq!(queue.resume(3), Ok(Some(Gap::Overflow)));
    assert_eq!(queue.resume(5), Ok(None));
    assert_eq!(give(&mut queue), [6]);
}

#[test]
fn bytes_are_limited_too_and_one_message_of_any_size_fits() {
    let mut queue = Queue::default();
    let large = Push::text(&"x".repeat(10_000));
    queue.push(large.clone(), &LIMITS);
    assert_eq!(give(&mut queue), [1]);
    queue.push(Push::text("x"), &LIMITS);
    assert_eq!((queue.base(), queue.is_empty()), (2, true));
    queue.push(large, &LIMITS);
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
    queue.ack(10).unwrap();
    assert_eq!(give(&mut queue).len(), 10);
    let mut queue = Queue::default();
    for _ in 0..3 {
        queue.push(Push::text(&"x".repeat(200_000)), &limits);
    }
    assert_eq!(give(&mut queue), [1]);
    queue.ack(1).unwrap();
    assert_eq!(give(&mut queue), [2]);
}

#[test]
fn what_one_socket_was_given_and_the_page_acknowledges_on_the_next_is_done() {
    let mut queue = filled(3, &LIMITS);
    give(&mut queue);
    queue.resume(0).unwrap();
    assert_eq!(queue.ack(3), Ok(true));
    assert_eq!(give(&mut queue), Vec::<u64>::new());
    queue.push(Push::text("x"), &LIMITS);
    assert_eq!(give(&mut queue), [4]);
    assert_eq!(queue.in_flight, cost(&Push::text("x")));
}
