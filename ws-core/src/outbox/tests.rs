//! What cannot be seen from outside of an outbox.

use std::io::IoSlice;

use super::*;
use crate::close::CloseCause;

/// A client that takes everything.
#[derive(Default)]
struct Wire(Mutex<Vec<u8>>);

impl DirectWrite for Wire {
    fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut wire = self.0.lock().unwrap();
        for slice in slices {
            wire.extend_from_slice(slice);
        }
        Ok(slices.iter().map(|slice| slice.len()).sum())
    }
}

#[test]
fn a_close_frame_that_is_written_is_the_only_one() {
    let (outbox, wire) = (Outbox::new(100, 10), Arc::new(Wire::default()));
    outbox.connect(Some(wire.clone()));
    let first = CloseReason::of(CloseCause::Overflow, &Close::TRY_AGAIN_LATER);
    let second = CloseReason::of(CloseCause::Shutdown, &Close::GOING_AWAY);
    assert!(outbox.discard_and_close(&Close::TRY_AGAIN_LATER, first.clone()));
    assert!(!outbox.discard_and_close(&Close::GOING_AWAY, second));
    assert_eq!(*wire.0.lock().unwrap(), [0x88, 2, 3, 0xf5]);
    assert_eq!(outbox.ending(), Some(first));
}

#[test]
fn a_close_frame_that_waited_and_was_discarded_is_sent_anew() {
    let outbox = Outbox::new(100, 10);
    let reason = CloseReason::of(CloseCause::ServerClosed, &Close::NORMAL);
    assert!(outbox.close(&Close::NORMAL, reason.clone()));
    assert!(!outbox.discard_and_close(&Close::TRY_AGAIN_LATER, reason));
    let wire = Arc::new(Wire::default());
    outbox.connect(Some(wire.clone()));
    outbox.flush_direct();
    assert_eq!(*wire.0.lock().unwrap(), [0x88, 2, 3, 0xf5]);
}

/// A client that takes nothing, until it is told to take everything.
#[derive(Default)]
struct Valve(AtomicBool);

impl DirectWrite for Valve {
    fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        if self.0.load(Ordering::Relaxed) {
            return Ok(slices.iter().map(|slice| slice.len()).sum());
        }
        Err(io::ErrorKind::WouldBlock.into())
    }
}

#[test]
fn what_was_dropped_and_written_waits_no_more() {
    let outbox = Outbox::new(100, 1);
    let valve = Arc::new(Valve::default());
    outbox.connect(Some(valve.clone()));
    let frame = Frame::whole(Bytes::from_static(b"\x81\x01a"));
    let push = || outbox.push_topic(&frame, 1, Policy::DropOldest, true, false);
    assert_eq!((push(), outbox.has_waiting()), (Delivery::Taken, true));
    valve.0.store(true, Ordering::Relaxed);
    // The frame that waits makes room, and the new one is written at once.
    assert_eq!((push(), outbox.has_waiting()), (Delivery::Taken, false));
    assert_eq!((outbox.buffered(), outbox.dropped()), (0, 1));
}
