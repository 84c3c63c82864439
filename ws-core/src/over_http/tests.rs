use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use futures::FutureExt;

use super::*;
use crate::close::Close;
use crate::protocol::encoder::{encode, encode_binary, encode_close, encode_text};
use crate::protocol::{Decoder, Event, Incoming, OpCode, Role};

fn owner(page: &str, session: u8, route: usize) -> Owner {
    Owner {
        page: page.to_owned(),
        session: SessionId::from_bytes([session; 16]),
        route,
    }
}

/// One attachment, and both of its ends.
struct Attached {
    attachments: Arc<Attachments>,
    attachment: Arc<Attachment>,
    token: String,
    io: Io,
    lines: ResponseLines,
}

impl Attached {
    fn new() -> Self {
        let attachments = Arc::<Attachments>::default();
        let (io, lines) = attachments.attach(owner("P", 1, 1), 1000);
        let token = attachments.lock().keys().next().unwrap().clone();
        let attachment = attachments.find(&token, &owner("P", 1, 1)).unwrap();
        let mut attached = Self {
            attachments,
            attachment,
            token,
            io,
            lines,
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
        self.lines.poll_next(&Context::from_waker(Waker::noop()))
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
    assert!(!attached.lines.is_ended());
    assert_eq!(attached.shut_down(), Some(Ok(())));
    assert!(attached.lines.is_ended());
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
    let mut send = Box::pin(turn.send(b"one\ntwo"));
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
    assert_eq!(attachment.turn().await.unwrap().send(b"").await, Ok(()));
}

#[tokio::test]
async fn a_post_that_the_connection_does_not_read_before_its_end_is_refused() {
    let attached = Attached::new();
    let attachment = attached.attachment.clone();
    let turn = attachment.turn().await.unwrap();
    let mut send = Box::pin(turn.send(b"one"));
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
        assert_eq!(turn.send(body).now_or_never(), None);
    }
    assert_eq!(attached.read().unwrap(), up::frames(b"one"));
    assert_eq!(attached.read(), None);
    let turn = attachment.turn().await.unwrap();
    assert_eq!(turn.send(b"two").now_or_never(), None);
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

#[test]
fn the_connection_ends_if_its_response_is_dropped() {
    let Attached { mut io, lines, .. } = Attached::new();
    drop(lines);
    let io = io.get_mut();
    let mut buf = [0; 8];
    let read = poll_fn(|cx| io.poll_read(cx, &mut buf)).now_or_never();
    assert_eq!(read.unwrap().unwrap(), 0);
    let slices = [IoSlice::new(b"\x89\x00")];
    let written = poll_fn(|cx| io.poll_write_vectored(cx, &slices)).now_or_never();
    let error = written.unwrap().unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
}

#[test]
fn an_attachment_belongs_to_one_page_of_one_session_at_one_route() {
    let Attached {
        attachments, token, ..
    } = &Attached::new();
    assert!(attachments.find(token, &owner("P", 1, 1)).is_some());
    for other in [owner("Q", 1, 1), owner("P", 2, 1), owner("P", 1, 2)] {
        assert!(attachments.find(token, &other).is_none(), "{other:?}");
    }
    assert!(attachments.find("", &owner("P", 1, 1)).is_none());
    assert_eq!(token.len(), 22);
}
