use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use futures::FutureExt;

use super::transport::LINGER;
use super::*;
use crate::address::AddressOwner;
use crate::close::{Close, CloseCode};
use crate::hub::Hub;
use crate::limits::ServerLimits;
use crate::protocol::encoder::{encode, encode_binary, encode_close, encode_text};
use crate::protocol::{Decoder, Event, Incoming, OpCode, Role};

pub(super) fn owner(page: &str, session: u8, route: &str) -> Owner {
    Owner {
        page: page.to_owned(),
        session: SessionId::from_bytes([session; 16]),
        route: route.to_owned(),
    }
}

pub(super) fn take_permit(hub: &Hub) -> Option<Permit> {
    hub.take_permit(None, AddressOwner::Client).ok()
}

/// One attachment, and both of its ends.
struct Attached {
    attachments: Arc<Attachments>,
    attachment: Arc<Attachment>,
    token: String,
    io: Io,
    lines: Option<ResponseLines>,
}

impl Attached {
    fn new() -> Self {
        let attachments = Arc::<Attachments>::default();
        let hub = Hub::default();
        let permit = take_permit(&hub).unwrap();
        let (io, lines) = attachments.attach(&hub, owner("P", 1, "/1"), 1000, permit);
        let token = attachments.lock().keys().next().unwrap().clone();
        let attachment = attachments.find(&token, &owner("P", 1, "/1")).unwrap();
        let mut attached = Self {
            attachments,
            attachment,
            token,
            io,
            lines: Some(lines),
        };
        let first = format!(
            "{{\"type\":\"open\",\"attachment\":\"{}\",\"limit\":1000}}\n",
            attached.token
        );
        let first = Some(Bytes::from(first));
        assert_eq!(attached.take_lines(), Poll::Ready(first));
        attached
    }

    /// The lines that wait; `None` after the end.
    fn take_lines(&mut self) -> Poll<Option<Bytes>> {
        let lines = self.lines.as_ref().expect("the response is not dropped");
        lines.poll_next(&Context::from_waker(Waker::noop()))
    }

    fn is_ended(&self) -> bool {
        self.lines.as_ref().is_none_or(ResponseLines::is_ended)
    }

    fn drop_lines(&mut self) {
        self.lines = None;
    }

    fn lines(&mut self) -> String {
        let Poll::Ready(Some(lines)) = self.take_lines() else {
            panic!("no lines wait");
        };
        String::from_utf8(lines.to_vec()).unwrap()
    }

    fn write(&mut self, bytes: &[u8]) -> Option<io::Result<usize>> {
        let slices = [IoSlice::new(&[]), IoSlice::new(bytes)];
        let io = self.io.get_mut();
        poll_fn(|cx| io.poll_write_vectored(cx, &slices)).now_or_never()
    }

    fn read(&mut self) -> Option<Vec<u8>> {
        let mut buf = [0; 1024];
        let io = self.io.get_mut();
        let read = poll_fn(|cx| io.poll_read(cx, &mut buf)).now_or_never()?;
        Some(buf[..read.unwrap()].to_vec())
    }

    fn shut_down(&mut self) -> Option<Result<(), io::ErrorKind>> {
        let io = self.io.get_mut();
        let done = poll_fn(|cx| io.poll_shutdown(cx)).now_or_never()?;
        Some(done.map_err(|error| error.kind()))
    }
}

#[test]
fn frames_become_lines_and_a_close_is_the_last() {
    let mut attached = Attached::new();
    let mut frames = encode_text(r#"{"type":"pong"}"#).to_vec();
    frames.extend_from_slice(&encode(OpCode::Ping, b"x"));
    frames.extend_from_slice(&encode(OpCode::Pong, b"x"));
    frames.extend_from_slice(&encode_close(&Close::policy("no\n")));
    let (first, rest) = frames.split_at(7);
    assert_eq!(attached.write(first).unwrap().unwrap(), 7);
    assert_eq!(attached.take_lines(), Poll::Pending);
    assert_eq!(attached.write(rest).unwrap().unwrap(), rest.len());
    assert_eq!(
        attached.lines(),
        "{\"type\":\"pong\"}\n{\"type\":\"ping\"}\n{\"type\":\"close\",\"code\":1008,\"reason\":\"no\\n\"}\n"
    );
    // The connection gets the answer of a client, and may end.
    assert_eq!(attached.read().unwrap(), b"\x88\x82\0\0\0\0\x03\xf0");
    assert!(!attached.is_ended());
    assert_eq!(attached.shut_down(), Some(Ok(())));
    assert!(attached.is_ended());
    assert_eq!(attached.take_lines(), Poll::Ready(None));
}

#[test]
fn a_close_without_a_code_is_1005() {
    let mut attached = Attached::new();
    attached
        .write(&encode(OpCode::Close, b""))
        .unwrap()
        .unwrap();
    assert_eq!(
        attached.lines(),
        "{\"type\":\"close\",\"code\":1005,\"reason\":\"\"}\n"
    );
    assert_eq!(attached.read().unwrap(), b"\x88\x80\0\0\0\0");
}

#[test]
fn a_binary_message_has_no_line() {
    let mut attached = Attached::new();
    let error = attached.write(&encode_binary(b"x")).unwrap().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
}

#[test]
fn a_response_that_is_not_taken_stops_the_connection_and_delays_its_end() {
    let mut attached = Attached::new();
    let frame = encode_text(&"x".repeat(10_000));
    let mut written = 0;
    while let Some(part) = attached.write(&frame[written % frame.len()..]) {
        written += part.unwrap();
        assert!(written < 80_000, "{written} bytes are accepted");
    }
    assert!(written > 64_000, "{written} bytes are accepted");
    assert_eq!(attached.shut_down(), None);
    assert!(attached.lines().len() > 64_000);
    assert_eq!(attached.shut_down(), Some(Ok(())));
}

#[tokio::test]
async fn a_post_is_done_when_the_connection_has_read_its_messages() {
    let mut attached = Attached::new();
    assert_eq!(attached.read(), None);
    let attachment = attached.attachment.clone();
    let turn = attachment.turn().await.unwrap();
    let mut send = Box::pin(turn.send(None, b"one\ntwo"));
    assert_eq!(send.as_mut().now_or_never(), None);
    let mut bytes = attached.read().unwrap();
    assert_eq!(send.now_or_never(), Some(Ok(())));
    let mut rest = &mut bytes[..];
    let mut decoder = Decoder::new(Role::Server, 10);
    for expected in ["one", "two"] {
        let Some(Event::Message(Incoming::Text(text))) = decoder.decode(&mut rest).unwrap() else {
            panic!("no text");
        };
        assert_eq!(text.as_str(), expected);
    }
    assert_eq!(
        attachment.turn().await.unwrap().send(None, b"").await,
        Ok(())
    );
}

#[tokio::test]
async fn a_post_that_the_connection_does_not_read_before_its_end_is_refused() {
    let attached = Attached::new();
    let attachment = attached.attachment.clone();
    let turn = attachment.turn().await.unwrap();
    let mut send = Box::pin(turn.send(None, b"one"));
    assert_eq!(send.as_mut().now_or_never(), None);
    assert_eq!(attached.attachments.count(), 1);
    drop(attached.io);
    assert_eq!(send.await, Err(PostError::Ended));
    assert_eq!(attached.attachments.count(), 0);
}

#[tokio::test]
async fn aborted_posts_leave_at_most_one_body_unread() {
    let mut attached = Attached::new();
    let attachment = attached.attachment.clone();
    for body in [b"one", b"two", b"six"] {
        let turn = attachment.turn().await.unwrap();
        assert_eq!(turn.send(None, body).now_or_never(), None);
    }
    assert_eq!(attached.read().unwrap(), up::frames(b"one"));
    assert_eq!(attached.read(), None);
    let turn = attachment.turn().await.unwrap();
    assert_eq!(turn.send(None, b"two").now_or_never(), None);
    assert_eq!(attached.read().unwrap(), up::frames(b"two"));
}

#[tokio::test]
async fn posts_take_turns_and_the_third_is_refused() {
    let attached = Attached::new();
    let attachment = &attached.attachment;
    let first = attachment.turn().await.unwrap();
    let mut second = Box::pin(attachment.turn());
    assert!(second.as_mut().now_or_never().is_none());
    assert_eq!(attachment.turn().await.unwrap_err(), PostError::Busy);
    drop(first);
    drop(second.await.unwrap());
    attachment.turn().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_connection_ends_soon_after_its_response_is_dropped() {
    let mut attached = Attached::new();
    assert_eq!(attached.read(), None);
    attached.drop_lines();
    assert_eq!(attached.read(), None);
    // The page has these bytes in its queue, and nothing takes them here.
    let frame = encode_text(&"x".repeat(10_000));
    for _ in 0..20 {
        assert_eq!(attached.write(&frame).unwrap().unwrap(), frame.len());
    }
    tokio::time::advance(LINGER / 2).await;
    assert_eq!(attached.read(), None);
    tokio::time::advance(LINGER / 2).await;
    assert_eq!(attached.read().unwrap(), b"");
    let error = attached.write(b"\x89\x00").unwrap().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
    assert_eq!(attached.shut_down(), Some(Err(io::ErrorKind::BrokenPipe)));
}

#[tokio::test(start_paused = true)]
async fn the_last_post_of_a_closed_page_may_follow_the_end_of_its_response() {
    let mut attached = Attached::new();
    attached.drop_lines();
    assert_eq!(attached.read(), None);
    let found = attached
        .attachments
        .find(&attached.token, &owner("P", 1, "/1"));
    let attachment = found.expect("the attachment lasts");
    let turn = attachment.turn().await.unwrap();
    let mut send = Box::pin(turn.send(None, br#"{"type":"bye"}"#));
    assert_eq!(send.as_mut().now_or_never(), None);
    assert_eq!(attached.read().unwrap(), up::frames(br#"{"type":"bye"}"#));
    assert_eq!(send.now_or_never(), Some(Ok(())));
}

#[tokio::test(start_paused = true)]
async fn a_close_ends_a_connection_without_a_response_at_once() {
    let mut attached = Attached::new();
    attached.drop_lines();
    assert_eq!(attached.read(), None);
    let close = encode_close(&Close::new(CloseCode::SUPERSEDED, ""));
    assert_eq!(attached.write(&close).unwrap().unwrap(), close.len());
    assert_eq!(attached.read().unwrap(), b"\x88\x82\0\0\0\0\x11\x39");
}

#[test]
fn the_permit_is_released_when_both_the_connection_and_the_response_are_gone() {
    let limits = ServerLimits::DEFAULT.max_connections(Some(1));
    let hub = Hub::new(limits);
    let is_free = || take_permit(&hub).is_some();
    let attach = || {
        let permit = take_permit(&hub).expect("the permit is free");
        Arc::<Attachments>::default().attach(&hub, owner("P", 1, "/1"), 1000, permit)
    };
    let (io, lines) = attach();
    drop(io);
    assert!(!is_free(), "the server may still write the response");
    drop(lines);
    assert!(is_free());
    let (io, lines) = attach();
    drop(lines);
    assert!(!is_free(), "the connection may still wait for messages");
    drop(io);
    assert!(is_free());
}

#[test]
fn an_attachment_belongs_to_one_page_of_one_session_at_one_route() {
    let Attached {
        attachments, token, ..
    } = &Attached::new();
    assert!(attachments.find(token, &owner("P", 1, "/1")).is_some());
    for other in [
        owner("Q", 1, "/1"),
        owner("P", 2, "/1"),
        owner("P", 1, "/2"),
    ] {
        assert!(attachments.find(token, &other).is_none(), "{other:?}");
    }
    assert!(attachments.find("", &owner("P", 1, "/1")).is_none());
    assert_eq!(token.len(), 22);
}
