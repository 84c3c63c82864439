//! What goes to the cork buffer or to the outbox, and what is held.

use bytes::Bytes;

use super::*;
use crate::outbox::PushError;
use crate::reply::ReplyEnd;

const NO_LIMIT: usize = usize::MAX;

fn outbox() -> Outbox {
    Outbox::new(100, 10)
}

/// An outbox with a frame of three bytes in it.
fn with_backlog() -> Outbox {
    let outbox = outbox();
    assert_eq!(
        outbox.push(&Frame::whole(Bytes::from_static(b"\x81\x01x"))),
        Ok(())
    );
    outbox
}

fn text(text: &str) -> Message {
    Message::from(text.to_owned())
}

fn messages(replies: &[&str]) -> Messages {
    Messages::Many(replies.iter().map(|one| text(one)).collect())
}

#[test]
fn a_small_message_goes_to_the_cork_buffer() {
    let (outbox, mut cork) = (outbox(), Vec::new());
    assert_eq!(
        Writer::put(&outbox, text("hi"), &mut cork, &ThreadCounters::default()),
        Ok(())
    );
    assert_eq!(cork, b"\x81\x02hi");
    assert!(!outbox.has_waiting());
    Writer::put_pong(&outbox, b"p", &mut cork);
    assert_eq!(cork, b"\x81\x02hi\x8a\x01p");
}

#[test]
fn after_waiting_frames_a_message_waits_too() {
    let (outbox, mut cork) = (with_backlog(), Vec::new());
    assert_eq!(
        Writer::put(&outbox, text("hi"), &mut cork, &ThreadCounters::default()),
        Ok(())
    );
    Writer::put_pong(&outbox, b"p", &mut cork);
    assert_eq!((cork.len(), outbox.buffered()), (0, 3 + 4 + 3));
}

#[test]
fn a_message_without_room_is_returned() {
    let (outbox, mut cork) = (with_backlog(), Vec::new());
    let long = text(&"x".repeat(98));
    assert_eq!(
        Writer::put(&outbox, long.clone(), &mut cork, &ThreadCounters::default()),
        Err(long)
    );
    assert_eq!(outbox.buffered(), 3);
}

#[test]
fn a_large_message_is_not_copied_and_counts_the_corked_bytes() {
    let (outbox, mut cork) = (outbox(), vec![0; 10]);
    let large = Message::from(Bytes::from(vec![0; MAX_CORKED_PAYLOAD_BYTES + 1]));
    assert_eq!(
        Writer::put(
            &outbox,
            large.clone(),
            &mut cork,
            &ThreadCounters::default()
        ),
        Err(large.clone())
    );
    cork.clear();
    // A message of any size fits an empty outbox.
    assert_eq!(
        Writer::put(&outbox, large, &mut cork, &ThreadCounters::default()),
        Ok(())
    );
    assert_eq!(
        (cork.len(), outbox.buffered()),
        (0, MAX_CORKED_PAYLOAD_BYTES + 1 + 4)
    );
    assert_eq!(outbox.push(&Frame::of(&text("x"))), Err(PushError::Full));
}

#[test]
fn the_cork_buffer_is_full_at_its_limit_or_at_that_of_the_outbox() {
    assert!(!is_full(&[], 1) && is_full(&[0], 1));
    let cork = vec![0; CORK_BYTES];
    assert!(!is_full(&cork[1..], NO_LIMIT) && is_full(&cork, NO_LIMIT));
}

#[test]
fn a_reply_stops_at_a_full_cork_buffer_and_continues_after_a_flush() {
    let (outbox, mut cork) = (outbox(), Vec::new());
    let mut replies = messages(&["one", "two", "three"]);
    assert_eq!(
        Writer::put_all(
            &outbox,
            &mut replies,
            &mut cork,
            10,
            &ThreadCounters::default()
        ),
        PutResult::CorkFull
    );
    assert_eq!(cork, b"\x81\x03one\x81\x03two");
    cork.clear();
    assert_eq!(
        Writer::put_all(
            &outbox,
            &mut replies,
            &mut cork,
            10,
            &ThreadCounters::default()
        ),
        PutResult::Done
    );
    assert_eq!(cork, b"\x81\x05three");
}

#[test]
fn a_reply_is_held_in_order_until_there_is_room() {
    let (outbox, mut cork) = (with_backlog(), Vec::new());
    let (small, large) = ("s", "l".repeat(97));
    let mut replies = messages(&[small, &large, small]);
    assert_eq!(
        Writer::put_all(
            &outbox,
            &mut replies,
            &mut cork,
            NO_LIMIT,
            &ThreadCounters::default()
        ),
        PutResult::OutboxFull
    );
    let mut writer = Writer::default();
    assert!(!writer.has_waiting() && !writer.can_continue(&outbox));
    let end = ReplyEnd::KeepOpen;
    writer.hold(Reply {
        messages: replies,
        end,
    });
    assert!(writer.has_waiting() && !writer.can_continue(&outbox));
    assert!(writer.can_continue(&self::outbox()));
    let mut reply = writer.take_waiting().unwrap();
    assert!(!writer.has_waiting());
    assert_eq!(reply.messages.next(), Some(text(&large)));
    assert_eq!(reply.messages.next(), Some(text(small)));
    assert_eq!(reply.messages.next(), None);
}
