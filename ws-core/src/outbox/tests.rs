//! The behaviour of an outbox that is not visible from outside.

use std::io::IoSlice;
use std::sync::{Weak, mpsc};
use std::time::Duration;

use super::*;
use crate::close::CloseCause;
use crate::message::Message;

/// A client that accepts everything.
#[derive(Default)]
struct RecordingClient(Mutex<Vec<u8>>);

impl DirectWrite for RecordingClient {
    fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut client = self.0.lock().unwrap();
        for slice in slices {
            client.extend_from_slice(slice);
        }
        Ok(slices.iter().map(|slice| slice.len()).sum())
    }
}

#[test]
fn only_one_close_frame_is_written() {
    let (outbox, client) = (Outbox::new(100, 10), Arc::new(RecordingClient::default()));
    outbox.connect(Some(client.clone()));
    let first = CloseReason::of(CloseCause::Overflow, &Close::TRY_AGAIN_LATER);
    let second = CloseReason::of(CloseCause::Shutdown, &Close::GOING_AWAY);
    assert!(outbox.discard_and_close(&Close::TRY_AGAIN_LATER, first.clone()));
    assert!(!outbox.discard_and_close(&Close::GOING_AWAY, second));
    assert_eq!(*client.0.lock().unwrap(), [0x88, 2, 3, 0xf5]);
    assert_eq!(outbox.close_reason(), Some(first));
}

#[test]
fn a_discarded_close_frame_is_sent_again() {
    let outbox = Outbox::new(100, 10);
    let reason = CloseReason::of(CloseCause::ServerClosed, &Close::NORMAL);
    assert!(outbox.close(&Close::NORMAL, reason.clone()));
    assert!(!outbox.discard_and_close(&Close::TRY_AGAIN_LATER, reason));
    let client = Arc::new(RecordingClient::default());
    outbox.connect(Some(client.clone()));
    outbox.flush_direct();
    assert_eq!(*client.0.lock().unwrap(), [0x88, 2, 3, 0xf5]);
}

/// A client that accepts nothing until its flag is set, and then everything.
#[derive(Default)]
struct BlockedClient(AtomicBool);

impl DirectWrite for BlockedClient {
    fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        if self.0.load(Ordering::Relaxed) {
            return Ok(slices.iter().map(|slice| slice.len()).sum());
        }
        Err(io::ErrorKind::WouldBlock.into())
    }
}

/// Pushes a frame of topic 1.
fn publish(outbox: &Outbox, frame: &Frame, policy: Policy) -> Delivery {
    let topic_frame = TopicFrame {
        frame,
        topic: 1,
        policy,
        volatile: false,
    };
    outbox.push_topic(topic_frame, TopicWrite::Direct, &mut AfterPush::default())
}

#[test]
fn a_frame_that_cannot_fit_drops_nothing() {
    for policy in [Policy::Latest, Policy::DropOldest] {
        let outbox = Outbox::new(100, 10);
        outbox.connect(Some(Arc::new(BlockedClient::default())));
        let other = Frame::whole(Bytes::from(vec![b'o'; 80]));
        let frame = |len| Frame::whole(Bytes::from(vec![b'f'; len]));
        assert_eq!(outbox.push(&other), Ok(()));
        assert_eq!(publish(&outbox, &frame(10), policy), Delivery::Accepted);
        assert_eq!(publish(&outbox, &frame(21), policy), Delivery::Skipped);
        assert_eq!((outbox.buffered(), outbox.dropped()), (90, 1), "{policy:?}");
        // A frame that fits in the place of the old one replaces it.
        assert_eq!(publish(&outbox, &frame(20), policy), Delivery::Accepted);
        assert_eq!(
            (outbox.buffered(), outbox.dropped()),
            (100, 2),
            "{policy:?}"
        );
    }
}

/// A payload whose owner locks the outbox when it is dropped, like an owner that sends.
struct Owner(Weak<Outbox>, mpsc::Sender<usize>);

impl AsRef<[u8]> for Owner {
    fn as_ref(&self) -> &[u8] {
        &[b'x'; 5000]
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let outbox = self.0.upgrade().expect("the test keeps the outbox");
        self.1
            .send(outbox.buffered())
            .expect("the test waits for the size");
    }
}

/// An operation on an outbox and its client.
type Operation = fn(&Outbox, &BlockedClient);

/// The number of bytes in the outbox when the owner of a payload is dropped by this operation; the
/// payload waits there, in a frame of 5004 bytes of topic 1. A deadlock is an error instead of a
/// hang.
fn dropped_by(operation: Operation) -> Result<usize, mpsc::RecvTimeoutError> {
    let (sent, seen) = mpsc::channel();
    std::thread::spawn(move || {
        let outbox = Arc::new(Outbox::new(6000, 10));
        let client = Arc::new(BlockedClient::default());
        outbox.connect(Some(client.clone()));
        let payload = Bytes::from_owner(Owner(Arc::downgrade(&outbox), sent));
        publish(
            &outbox,
            &Frame::owned(Message::Binary(payload)),
            Policy::Close,
        );
        operation(&outbox, &client);
    });
    seen.recv_timeout(Duration::from_secs(20))
}

#[test]
fn a_payload_that_leaves_the_queue_is_dropped_when_the_outbox_is_not_locked() {
    let all: [(&str, Operation, usize); 5] = [
        (
            "written",
            |outbox, client| {
                client.0.store(true, Ordering::Relaxed);
                outbox.flush_direct();
            },
            0,
        ),
        (
            "replaced",
            |outbox, _| {
                publish(
                    outbox,
                    &Frame::whole(Bytes::from(vec![0; 999])),
                    Policy::Latest,
                );
            },
            999,
        ),
        (
            "made room",
            |outbox, _| {
                publish(
                    outbox,
                    &Frame::whole(Bytes::from(vec![0; 1000])),
                    Policy::DropOldest,
                );
            },
            1000,
        ),
        (
            "discarded",
            |outbox, _| {
                let reason = CloseReason::of(CloseCause::Stalled, &Close::NORMAL);
                outbox.discard_and_close(&Close::NORMAL, reason);
            },
            4,
        ),
        (
            "shut",
            |outbox, _| {
                outbox.shut(CloseReason::of(CloseCause::Lost, &Close::NORMAL));
            },
            0,
        ),
    ];
    for (name, operation, left) in all {
        assert_eq!(dropped_by(operation), Ok(left), "{name}");
    }
}

#[test]
fn dropped_and_written_frames_wait_no_longer() {
    let outbox = Outbox::new(100, 1);
    let client = Arc::new(BlockedClient::default());
    outbox.connect(Some(client.clone()));
    let frame = Frame::whole(Bytes::from_static(b"\x81\x01a"));
    let push = || publish(&outbox, &frame, Policy::DropOldest);
    assert_eq!((push(), outbox.has_waiting()), (Delivery::Accepted, true));
    client.0.store(true, Ordering::Relaxed);
    // The waiting frame is replaced, and the new one is written at once.
    assert_eq!((push(), outbox.has_waiting()), (Delivery::Accepted, false));
    assert_eq!((outbox.buffered(), outbox.dropped()), (0, 1));
}
