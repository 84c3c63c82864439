//! What goes to the cork buffer or to the outbox, and what is held.

use bytes::Bytes;

use super::*;
use crate::outbox::Refused;
use crate::reply::End;

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

fn messages(all: &[&str]) -> Messages {
    Messages::Many(all.iter().map(|one| text(one)).collect())
}

#[test]
fn a_small_message_goes_to_the_cork_buffer() {
    let (outbox, mut cork) = (outbox(), Vec::new());
    assert_eq!(Writer::put(&outbox, text("hi"), &mut cork), Ok(()));
    assert_eq!(cork, b"\x81\x02hi");
    assert!(!outbox.has_waiting());
    Writer::put_pong(&outbox, b"p", &mut cork);
    assert_eq!(cork, b"\x81\x02hi\x8a\x01p");
}

#[test]
fn behind_frames_that_wait_a_message_waits_too() {
    let (outbox, mut cork) = (with_backlog(), Vec::new());
    assert_eq!(Writer::put(&outbox, text("hi"), &mut cork), Ok(()));
    Writer::put_pong(&outbox, b"p", &mut cork);
    assert_eq!((cork.len(), outbox.buffered()), (0, 3 + 4 + 3));
}

#[test]
fn a_message_without_room_is_given_back() {
    let (outbox, mut cork) = (with_backlog(), Vec::new());
    let long = text(&"x".repeat(98));
    assert_eq!(Writer::put(&outbox, long.clone(), &mut cork), Err(long));
    assert_eq!(outbox.buffered(), 3);
}

#[test]
fn a_large_message_is_not_copied_but_counts_what_is_corked() {
    let (outbox, mut cork) = (outbox(), vec![0; 10]);
    let large = Message::from(Bytes::from(vec![0; CORK_PAYLOAD + 1]));
    assert_eq!(
        Writer::put(&outbox, large.clone(), &mut cork),
        Err(large.clone())
    );
    cork.clear();
    // A message of any size fits an empty outbox.
    assert_eq!(Writer::put(&outbox, large, &mut cork), Ok(()));
    assert_eq!((cork.len(), outbox.buffered()), (0, CORK_PAYLOAD + 1 + 4));
    assert_eq!(outbox.push(&Frame::of(&text("x"))), Err(Refused::Full));
}

#[test]
fn the_cork_buffer_is_full_at_its_bound_or_at_that_of_the_outbox() {
    assert!(!is_full(&[], 1) && is_full(&[0], 1));
    let cork = vec![0; CORK];
    assert!(!is_full(&cork[1..], NO_LIMIT) && is_full(&cork, NO_LIMIT));
}

#[test]
fn a_reply_stops_at_a_full_cork_buffer_and_goes_on_behind_it() {
    let (outbox, mut cork) = (outbox(), Vec::new());
    let mut all = messages(&["one", "two", "three"]);
    assert_eq!(Writer::put_all(&outbox, &mut all, &mut cork, 10), Put::Full);
    assert_eq!(cork, b"\x81\x03one\x81\x03two");
    cork.clear();
    assert_eq!(Writer::put_all(&outbox, &mut all, &mut cork, 10), Put::All);
    assert_eq!(cork, b"\x81\x05three");
}

#[test]
fn a_reply_is_held_in_order_until_there_is_room() {
    let (outbox, mut cork) = (with_backlog(), Vec::new());
    let (small, large) = ("s", "l".repeat(97));
    let mut all = messages(&[small, &large, small]);
    assert_eq!(
        Writer::put_all(&outbox, &mut all, &mut cork, NO_LIMIT),
        Put::NoRoom
    );
    let mut writer = Writer::default();
    assert!(!writer.is_holding() && !writer.can_continue(&outbox));
    let end = End::Open;
    writer.hold(Reply { messages: all, end });
    assert!(writer.is_holding() && !writer.can_continue(&outbox));
    assert!(writer.can_continue(&self::outbox()));
    let mut held = writer.take_held().unwrap();
    assert!(!writer.is_holding());
    assert_eq!(held.messages.next(), Some(text(&large)));
    assert_eq!(held.messages.next(), Some(text(small)));
    assert_eq!(held.messages.next(), None);
}
