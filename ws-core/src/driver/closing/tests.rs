//! The ends of a connection, in each order that matters.

use super::*;

/// No work remains.
const NOTHING: RemainingWork = RemainingWork {
    frames: false,
    work: false,
    protocol_error: false,
};
const FRAMES: RemainingWork = RemainingWork {
    frames: true,
    ..NOTHING
};
const WORK: RemainingWork = RemainingWork {
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

fn server_close(closing: &mut Closing) {
    closing.handle_server_close();
}

fn end_of_stream(closing: &mut Closing) {
    closing.handle_end_of_stream();
}

fn loss(closing: &mut Closing) {
    closing.handle_loss();
}

#[test]
fn the_close_handshake_ends_with_the_end_of_the_server_s_stream() {
    let mut closing = after(&[client, server_close]);
    assert_eq!(closing.next_step(FRAMES), ClosingStep::Wait);
    assert_eq!(closing.next_step(NOTHING), ClosingStep::EndStream);
    closing.handle_server_end();
    assert_eq!(closing.next_step(NOTHING), ClosingStep::Over);
}

#[test]
fn the_server_s_close_waits_for_that_of_the_client() {
    let mut closing = after(&[server_close]);
    assert_eq!(closing.next_step(NOTHING), ClosingStep::Wait);
    client(&mut closing);
    assert_eq!(closing.next_step(NOTHING), ClosingStep::EndStream);
    // The end of the client's stream has the same effect.
    assert_eq!(
        after(&[server_close, end_of_stream]).next_step(NOTHING),
        ClosingStep::Over
    );
    assert_eq!(
        after(&[server_close, end_of_stream]).next_step(FRAMES),
        ClosingStep::Wait
    );
}

#[test]
fn after_a_protocol_error_the_stream_ends_without_the_client_s_close() {
    let protocol_error = RemainingWork {
        protocol_error: true,
        ..NOTHING
    };
    let mut closing = after(&[server_close]);
    assert_eq!(closing.next_step(protocol_error), ClosingStep::EndStream);
    closing.handle_server_end();
    assert_eq!(closing.next_step(protocol_error), ClosingStep::Wait);
    end_of_stream(&mut closing);
    assert_eq!(closing.next_step(protocol_error), ClosingStep::Over);
}

#[test]
fn received_data_is_handled_before_an_end_without_close() {
    let closing = after(&[end_of_stream]);
    assert_eq!(closing.next_step(WORK), ClosingStep::Wait);
    assert_eq!(closing.next_step(FRAMES), ClosingStep::Wait);
    assert_eq!(closing.next_step(NOTHING), ClosingStep::Over);
    // Nothing can be written to a lost stream.
    let closing = after(&[end_of_stream, loss]);
    assert_eq!(closing.next_step(WORK), ClosingStep::Wait);
    assert_eq!(closing.next_step(FRAMES), ClosingStep::Over);
    assert_eq!(
        after(&[server_close, loss]).next_step(WORK),
        ClosingStep::Over
    );
    assert_eq!(after(&[]).next_step(NOTHING), ClosingStep::Wait);
}

#[test]
fn a_forced_end_waits_for_nothing() {
    let mut closing = after(&[server_close]);
    closing.force();
    assert!(closing.is_forced() && closing.is_server_closing());
    let all = RemainingWork {
        frames: true,
        work: true,
        protocol_error: false,
    };
    assert_eq!(closing.next_step(all), ClosingStep::Over);
    // A later event does not undo it.
    closing.handle_server_close();
    closing.handle_server_end();
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
    server_close(&mut closing);
    assert_eq!(closing.answer(), None);
    let mut closing = after(&[]);
    closing.handle_client_close(None);
    assert_eq!(closing.answer().unwrap().1.code, CloseCode::NO_STATUS);
}

#[test]
fn a_close_before_the_loss_is_the_reason_of_the_end() {
    assert_eq!(after(&[]).handle_loss(), connection_lost());
    assert_eq!(
        after(&[client]).handle_loss().cause,
        CloseCause::ClientClosed
    );
}

#[test]
fn a_loss_ends_the_outbox_but_is_no_close_of_the_server() {
    let mut closing = after(&[loss]);
    closing.handle_ending_outbox();
    assert!(!closing.is_server_closing() && !closing.accepts_replies() && !closing.can_receive());
    let mut closing = after(&[]);
    assert!(closing.accepts_replies() && closing.can_receive());
    closing.handle_ending_outbox();
    assert!(closing.is_server_closing() && !closing.accepts_replies() && closing.can_receive());
}
