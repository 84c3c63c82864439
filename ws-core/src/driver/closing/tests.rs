//! The ends of a connection, in each order that matters.

use super::*;

/// No work remains.
const NOTHING: Left = Left {
    frames: false,
    work: false,
    broken: false,
};
const FRAMES: Left = Left {
    frames: true,
    ..NOTHING
};
const WORK: Left = Left {
    work: true,
    ..NOTHING
};

/// The state after these events.
fn after(ends: &[fn(&mut Closing)]) -> Closing {
    let mut closing = Closing::default();
    for end in ends {
        end(&mut closing);
    }
    closing
}

fn client(closing: &mut Closing) {
    let text = TextData::Borrowed("bye");
    closing.handle_client_close(Some((CloseCode::NORMAL, text)));
}

fn ours(closing: &mut Closing) {
    closing.handle_our_close();
}

fn end_of_stream(closing: &mut Closing) {
    closing.handle_end_of_stream();
}

fn loss(closing: &mut Closing) {
    closing.handle_loss();
}

#[test]
fn the_close_handshake_ends_with_the_end_of_our_stream() {
    let mut closing = after(&[client, ours]);
    assert_eq!(closing.next(FRAMES), Next::Wait);
    assert_eq!(closing.next(NOTHING), Next::EndStream);
    closing.handle_our_end();
    assert_eq!(closing.next(NOTHING), Next::Over);
}

#[test]
fn our_close_waits_for_that_of_the_client() {
    let mut closing = after(&[ours]);
    assert_eq!(closing.next(NOTHING), Next::Wait);
    client(&mut closing);
    assert_eq!(closing.next(NOTHING), Next::EndStream);
    // The end of the client's stream has the same effect.
    assert_eq!(after(&[ours, end_of_stream]).next(NOTHING), Next::Over);
    assert_eq!(after(&[ours, end_of_stream]).next(FRAMES), Next::Wait);
}

#[test]
fn the_stream_of_a_client_that_broke_the_protocol_ends_before_its_close() {
    let broken = Left {
        broken: true,
        ..NOTHING
    };
    let mut closing = after(&[ours]);
    assert_eq!(closing.next(broken), Next::EndStream);
    closing.handle_our_end();
    assert_eq!(closing.next(broken), Next::Wait);
    end_of_stream(&mut closing);
    assert_eq!(closing.next(broken), Next::Over);
}

#[test]
fn what_was_received_is_handled_before_an_end_without_close() {
    let closing = after(&[end_of_stream]);
    assert_eq!(closing.next(WORK), Next::Wait);
    assert_eq!(closing.next(FRAMES), Next::Wait);
    assert_eq!(closing.next(NOTHING), Next::Over);
    // Nothing can be written to a lost stream.
    let closing = after(&[end_of_stream, loss]);
    assert_eq!(closing.next(WORK), Next::Wait);
    assert_eq!(closing.next(FRAMES), Next::Over);
    assert_eq!(after(&[ours, loss]).next(WORK), Next::Over);
    assert_eq!(after(&[]).next(NOTHING), Next::Wait);
}

#[test]
fn when_time_is_up_nothing_is_waited_for() {
    let mut closing = after(&[ours]);
    closing.force();
    assert!(closing.is_forced() && closing.is_ours());
    let all = Left {
        frames: true,
        work: true,
        broken: false,
    };
    assert_eq!(closing.next(all), Next::Over);
    // A later event does not undo it.
    closing.handle_our_close();
    closing.handle_our_end();
    assert!(closing.is_forced());
}

#[test]
fn the_client_s_close_is_answered_once_with_its_code() {
    let mut closing = after(&[client]);
    let (answer, reason) = closing.answer().unwrap();
    assert_eq!(answer, &Close::from(CloseCode::NORMAL));
    let expected = CloseReason::new(CloseCause::ClientClosed, CloseCode::NORMAL, "bye");
    assert_eq!(reason, &expected);
    assert!(!closing.can_receive() && closing.has_client_closed());
    ours(&mut closing);
    assert_eq!(closing.answer(), None);
    let mut closing = after(&[]);
    closing.handle_client_close(None);
    assert_eq!(closing.answer().unwrap().1.code, CloseCode::NO_STATUS);
}

#[test]
fn a_close_that_came_before_the_loss_is_why_the_connection_ends() {
    assert_eq!(after(&[]).handle_loss(), lost());
    assert_eq!(
        after(&[client]).handle_loss().cause,
        CloseCause::ClientClosed
    );
}

#[test]
fn a_loss_ends_the_outbox_but_is_no_close_of_ours() {
    let mut closing = after(&[loss]);
    closing.handle_ending_outbox();
    assert!(!closing.is_ours() && !closing.takes_replies() && !closing.can_receive());
    let mut closing = after(&[]);
    assert!(closing.takes_replies() && closing.can_receive());
    closing.handle_ending_outbox();
    assert!(closing.is_ours() && !closing.takes_replies() && closing.can_receive());
}
