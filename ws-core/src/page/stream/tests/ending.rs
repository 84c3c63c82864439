//! The end of a page that misses messages, or that is evicted.

use std::io::{self, IoSlice};

use bytes::Bytes;
use tokio::time::Instant;

use super::*;
use crate::close::CloseCode;
use crate::outbox::{DirectWrite, Frame};
use crate::page::feed::MessageId;

const ROOM: usize = 2_000;

/// A socket whose outbox is full until the client reads.
pub(super) struct SlowSocket {
    outbox: Outbox,
    closed: Mutex<Option<CloseCode>>,
    received: Arc<ReceivedBytes>,
}

/// What the client has read.
#[derive(Default)]
struct ReceivedBytes(Mutex<Vec<u8>>);

impl DirectWrite for ReceivedBytes {
    fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut bytes = self.0.lock().unwrap();
        let before = bytes.len();
        for slice in slices {
            bytes.extend_from_slice(slice);
        }
        Ok(bytes.len() - before)
    }
}

impl PageSocket for SlowSocket {
    fn id(&self) -> ConnectionId {
        ConnectionId::new(1)
    }

    fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    fn close_page(&self, close: &Close) {
        self.closed.lock().unwrap().replace(close.code());
    }

    fn notify_when_writable(&self) {}
}

impl SlowSocket {
    fn attach(fixture: &Fixture) -> Arc<Self> {
        Self::attach_at(fixture, None, usize::MAX / 2)
    }

    /// A socket of a page at this position, with an outbox for this number of frames.
    fn attach_at(fixture: &Fixture, position: Option<Position>, frames: usize) -> Arc<Self> {
        Self::attach_as(fixture, position, Some(1), frames)
    }

    /// The same for this script.
    pub(super) fn attach_as(
        fixture: &Fixture,
        position: Option<Position>,
        client: Option<u64>,
        frames: usize,
    ) -> Arc<Self> {
        let report = PageReport {
            position,
            client,
            attempt: None,
            cursor: None,
        };
        Self::attach_with(&fixture.stream, report, frames)
    }

    /// The same for a page that reports this.
    pub(super) fn attach_with(stream: &Stream, report: PageReport, frames: usize) -> Arc<Self> {
        let socket = Arc::new(Self {
            outbox: Outbox::new(ROOM, frames),
            closed: Mutex::default(),
            received: Arc::default(),
        });
        let page_socket: Arc<dyn PageSocket> = socket.clone();
        let attached = stream.attach(
            &stream.session(),
            AttachRequest {
                route: ROUTE,
                report,
            },
            &page_socket,
            None,
        );
        attached.unwrap();
        socket
    }

    /// Fills the outbox.
    fn fill(&self) {
        let left = ROOM - self.outbox.buffered();
        self.outbox
            .push(&Frame::joined(&vec![0; left - 10], &Bytes::new()))
            .unwrap();
    }

    /// The client reads everything that waits.
    pub(super) fn drain(&self, stream: &Stream) -> FollowUp {
        self.outbox.connect(Some(self.received.clone()));
        self.outbox.flush_direct();
        assert_eq!(self.outbox.buffered(), 0);
        self.outbox.connect(None);
        let follow_up = stream.resume_sending(self.id());
        self.outbox.connect(Some(self.received.clone()));
        self.outbox.flush_direct();
        follow_up
    }

    fn closed(&self) -> Option<CloseCode> {
        *self.closed.lock().unwrap()
    }

    fn was_reset(&self) -> bool {
        self.received_text().contains("\"reset\"")
    }

    pub(super) fn received_text(&self) -> String {
        let bytes = self.received.0.lock().unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// Appends the last message of a handler, and its Close with 1000.
fn close_by_handler(stream: &Stream) {
    stream.push_last(&Push::text("bye"));
    stream.finish(&Close::NORMAL);
}

#[test]
fn a_full_socket_whose_last_messages_are_dropped_gets_a_reset_and_1013() {
    run(async {
        let fixture = Fixture::new().await;
        let socket = SlowSocket::attach(&fixture);
        socket.fill();
        close_by_handler(&fixture.stream);
        assert_eq!(fixture.stream.overflow(), FollowUp::Nothing);
        assert_eq!(socket.closed(), None, "the reset waits for room");
        assert_eq!(socket.drain(&fixture.stream), FollowUp::Remove);
        assert!(socket.was_reset());
        assert_eq!(socket.closed(), Some(CloseCode::TRY_AGAIN_LATER));
    });
}

#[test]
fn a_handler_that_closes_before_a_reset_is_delivered_closes_with_1013() {
    run(async {
        let fixture = Fixture::new().await;
        let socket = SlowSocket::attach(&fixture);
        socket.fill();
        for _ in 0..=LIMITS.messages {
            fixture.stream.push(&Push::text("n"));
        }
        fixture.stream.finish(&Close::NORMAL);
        assert_eq!(socket.closed(), None, "the reset waits for room");
        assert_eq!(socket.drain(&fixture.stream), FollowUp::Remove);
        assert!(socket.was_reset());
        assert_eq!(socket.closed(), Some(CloseCode::TRY_AGAIN_LATER));
    });
}

#[test]
fn a_page_that_is_away_while_its_last_messages_are_dropped_gets_1013_when_it_returns() {
    run(async {
        let fixture = Fixture::new().await;
        close_by_handler(&fixture.stream);
        fixture.stream.overflow();
        let socket = SlowSocket::attach(&fixture);
        assert_eq!(socket.closed(), Some(CloseCode::TRY_AGAIN_LATER));
    });
}

#[test]
fn a_page_that_was_reset_before_its_handler_closes_gets_the_close_of_the_handler() {
    run(async {
        let fixture = Fixture::new().await;
        let socket = SlowSocket::attach(&fixture);
        fixture.stream.push(&Push::text("n"));
        fixture.stream.overflow();
        close_by_handler(&fixture.stream);
        assert_eq!(socket.closed(), None, "\"bye\" is not acknowledged");
        let last = fixture.stream.lock().queue.last();
        assert_eq!(fixture.stream.ack(socket.id(), last), Ok(FollowUp::Remove));
        assert_eq!(socket.closed(), Some(CloseCode::NORMAL));
    });
}

#[test]
fn a_page_that_reconnects_while_it_expires_is_watched_again_after_the_socket_closes() {
    run(async {
        let fixture = Fixture::new().await;
        // The reaper has removed the page, but a socket attaches first.
        let socket = SlowSocket::attach(&fixture);
        assert_eq!(fixture.stream.end_early(), FollowUp::Nothing);
        let follow_up = fixture.stream.detach(socket.id(), false);
        assert!(matches!(follow_up, FollowUp::Watch(_)), "{follow_up:?}");
    });
}

/// Another epoch than that of any stream.
const OTHER_EPOCH: Option<Position> = Some(Position {
    epoch: Epoch::Other,
    offset: 0,
});

#[test]
fn a_reset_that_has_no_room_after_the_welcome_comes_before_everything_else() {
    run(async {
        let fixture = Fixture::new().await;
        let stream = &fixture.stream;
        stream.push(&Push::text("n"));
        let socket = SlowSocket::attach_at(&fixture, OTHER_EPOCH, 1);
        // The handler takes a message of the page before the client reads.
        stream.lock().accepted = 1;
        let epoch = stream.epoch();
        stream.mark_seen(MessageId { epoch, id: 1 });
        for _ in 0..4 {
            socket.drain(stream);
        }
        let received = socket.received_text();
        let items = ["\"welcome\"", "\"restart\"", ":\"seen\"", "\"n\""];
        let places = items.map(|text| received.find(text));
        assert!(places.is_sorted() && places[0].is_some(), "{received}");
    });
}

#[test]
fn a_handler_that_closes_before_a_page_knows_of_a_restart_closes_with_its_own_code() {
    run(async {
        let fixture = Fixture::new().await;
        let socket = SlowSocket::attach_at(&fixture, OTHER_EPOCH, 1);
        fixture.stream.finish(&Close::NORMAL);
        assert_eq!(socket.closed(), None, "the reset waits for room");
        assert_eq!(socket.drain(&fixture.stream), FollowUp::Remove);
        assert!(socket.was_reset());
        assert_eq!(socket.closed(), Some(CloseCode::NORMAL));
    });
}

#[tokio::test(start_paused = true)]
async fn a_page_keeps_its_deadline_while_a_handshake_holds_it() {
    let Fixture { stream, .. } = &Fixture::new().await;
    let until = Instant::now() + LIMITS.grace;
    stream.begin_handshake();
    // The reaper may check the page for another reason, and must keep watching it.
    assert_eq!(stream.expire(Instant::now()), FollowUp::Watch(until));
    tokio::time::advance(LIMITS.grace).await;
    assert_eq!(stream.expire(Instant::now()), FollowUp::Nothing);
    assert_eq!(stream.end_handshake(), FollowUp::Remove);
}
