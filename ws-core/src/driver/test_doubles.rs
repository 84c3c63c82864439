//! A handler and a transport that follow scripts, for the tests of the driver's parts.

use std::collections::VecDeque;
use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, Waker};

use bytes::BufMut;
use bytes::buf::Limit;
use tokio::time::Instant;

use super::callee::{AnyHandler, HookStatus};
use super::thread_buffers::ThreadBuffers;
use super::turn::Turn;
use crate::close::{Close, CloseCause, CloseCode};
use crate::decode::Payload;
use crate::extract::{AnyState, Endpoint, NoState};
use crate::handler::{Outcome, TerminateStep};
use crate::hub::Hub;
use crate::limits::{Limits, ServerLimits};
use crate::mailbox::NotificationContent;
use crate::message::Message;
use crate::outbox::{DirectWrite, Transport};
use crate::protocol::encoder::encode_masked;
use crate::protocol::{Decoder, Event, Incoming, OpCode, Role};
use crate::reply::{IntoReply as _, Reply};
use crate::socket::ConnectionShared;
use crate::topic::{AsTopic as _, Exclude, Receipt, ReceiptKind as _, Topic};

const MASK: [u8; 4] = [1, 2, 3, 4];

/// The state of a connection with these limits, which belongs to a hub of its own.
pub(super) fn new_shared(limits: Limits) -> Arc<ConnectionShared> {
    let hub = Hub::new(ServerLimits::DEFAULT);
    let state = AnyState::new(NoState);
    let endpoint = Endpoint::new("test", "/test", hub.clone(), state, limits);
    hub.register(None, endpoint.route_context().clone(), None, |_| {
        tracing::Span::none()
    })
}

/// What a handler does when it is called or polled.
#[derive(Clone, Copy, Debug)]
pub(super) enum Behavior {
    Return,
    /// It replies with the message.
    Echo,
    Reply(fn() -> Reply),
    /// It publishes the message to the topic `news`.
    Publish,
    /// The same, and replies to it.
    PublishAndReply,
    /// It publishes the message to the topic `news`, and panics.
    PublishAndPanic,
    /// It closes its own socket with 1000 and returns nothing.
    CloseSocket,
    Wait,
    Panic,
    /// It panics, and the handler is lost.
    PanicAndLose,
}

pub(super) struct ScriptedHandler {
    shared: Arc<ConnectionShared>,
    pub(super) behavior: Behavior,
    /// The remaining behaviors of the next calls; afterwards `behavior` applies.
    pub(super) script: VecDeque<Behavior>,
    is_present: bool,
    /// The rest of `terminate`; without one it ends at once.
    pub(super) terminate: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
    /// The calls, with their arguments.
    pub(super) log: Vec<String>,
}

impl ScriptedHandler {
    pub(super) fn new(shared: Arc<ConnectionShared>, behavior: Behavior) -> Self {
        Self {
            shared,
            behavior,
            script: VecDeque::new(),
            is_present: true,
            terminate: None,
            log: Vec::new(),
        }
    }

    pub(super) fn publish(&self, text: &str) {
        let message = Message::text(text.to_owned());
        let topic = Topic::local("news");
        let topics = self.shared.topics();
        let outcome = topics.publish(topic.as_topic_ref(), &message, Exclude::default());
        assert_eq!(Receipt::of(outcome).reached(), 2);
    }

    fn act(&mut self, call: &str, text: &str) -> HookStatus {
        let call = format!("{call} {text}").trim_end().to_owned();
        self.log.push(call);
        match self.script.pop_front().unwrap_or(self.behavior) {
            Behavior::Return => HookStatus::Done(Ok(Reply::NONE)),
            Behavior::Echo => HookStatus::Done(Ok(text.to_owned().into_reply())),
            Behavior::Reply(reply) => HookStatus::Done(Ok(reply())),
            Behavior::Publish => {
                self.publish(text);
                HookStatus::Done(Ok(Reply::NONE))
            }
            Behavior::PublishAndReply => {
                self.publish(text);
                HookStatus::Done(Ok(format!("reply {text}").into_reply()))
            }
            Behavior::PublishAndPanic => {
                self.publish(text);
                panic!("expected by the test")
            }
            Behavior::CloseSocket => {
                self.shared.close(&Close::NORMAL, CloseCause::ServerClosed);
                HookStatus::Done(Ok(Reply::NONE))
            }
            Behavior::Wait => {
                self.is_present = false;
                HookStatus::Pending
            }
            Behavior::Panic => panic!("expected by the test"),
            Behavior::PanicAndLose => {
                self.is_present = false;
                panic!("expected by the test")
            }
        }
    }
}

impl AnyHandler for ScriptedHandler {
    fn message(&mut self, payload: Payload<'_>, status: &mut HookStatus) {
        let text = match payload.text() {
            Ok(text) => text.to_owned(),
            Err(_) => format!("of {} bytes", payload.len()),
        };
        *status = self.act("message", &text);
    }

    /// The mailbox contains numbers.
    fn info(&mut self) -> HookStatus {
        match self.shared.mailbox().next::<u32>() {
            Some(NotificationContent::Value(number)) => self.act("info", &number.to_string()),
            _ => self.act("info", ""),
        }
    }

    fn poll_hook(&mut self, _: &mut TaskContext<'_>) -> Poll<Outcome> {
        match self.act("poll", "") {
            HookStatus::Done(outcome) => {
                self.is_present = true;
                Poll::Ready(outcome)
            }
            HookStatus::Pending | HookStatus::NotCalled => Poll::Pending,
        }
    }

    fn drop_hook(&mut self) {
        self.log.push("drop".to_owned());
    }

    fn is_present(&self) -> bool {
        self.is_present
    }

    fn terminate(&mut self) -> TerminateStep {
        self.log.push("terminate".to_owned());
        self.terminate
            .take()
            .map_or(TerminateStep::Done, TerminateStep::Pending)
    }
}

/// The result of one read.
pub(super) enum Read {
    Bytes(Vec<u8>),
    End,
    Error,
    /// It panics, as a transport of the application may.
    Panic,
}

/// A transport that returns the reads of its script, and then waits forever.
pub(super) struct ScriptedTransport {
    pub(super) reads: VecDeque<Read>,
    /// How many more bytes it accepts.
    pub(super) room: usize,
    /// Whether each write fails.
    pub(super) is_broken: bool,
    pub(super) ends_on_drop: bool,
    /// Whether the client has progressed since the last check.
    pub(super) has_progressed: bool,
    written: Vec<u8>,
    /// The calls that the peer can notice.
    pub(super) log: Vec<&'static str>,
}

impl ScriptedTransport {
    /// A transport with unlimited room.
    pub(super) fn new(reads: impl IntoIterator<Item = Read>) -> Self {
        Self {
            reads: reads.into_iter().collect(),
            room: usize::MAX,
            is_broken: false,
            ends_on_drop: false,
            has_progressed: false,
            written: Vec::new(),
            log: Vec::new(),
        }
    }

    /// Takes the written frames, in a form that is easy to compare.
    pub(super) fn frames(&mut self) -> Vec<String> {
        Self::decode(std::mem::take(&mut self.written))
    }

    /// Decodes whole frames, in a form that is easy to compare.
    pub(super) fn decode(mut written: Vec<u8>) -> Vec<String> {
        let mut decoder = Decoder::new(Role::Client, usize::MAX);
        let (mut input, mut frames) = (&mut written[..], Vec::new());
        while let Some(event) = decoder.decode(&mut input).unwrap() {
            frames.push(match event {
                Event::Message(Incoming::Text(text)) => format!("text {}", text.as_str()),
                Event::Message(Incoming::Binary(data)) => {
                    format!("binary of {} bytes", data.as_slice().len())
                }
                Event::Ping(_) => "ping".to_owned(),
                Event::Pong(payload) => {
                    format!("pong {}", String::from_utf8_lossy(payload.as_slice()))
                }
                Event::Close(None) => "close".to_owned(),
                Event::Close(Some((code, text))) => {
                    let close = format!("close {} {}", code.get(), text.as_str());
                    close.trim_end().to_owned()
                }
            });
        }
        assert_eq!(decoder.buffered(), 0, "a frame is not written to its end");
        frames
    }

    fn next(&mut self, max: usize) -> Poll<io::Result<Vec<u8>>> {
        match self.reads.pop_front() {
            Some(Read::Bytes(mut read)) => {
                if read.len() > max {
                    self.reads.push_front(Read::Bytes(read.split_off(max)));
                }
                Poll::Ready(Ok(read))
            }
            Some(Read::End) => Poll::Ready(Ok(Vec::new())),
            Some(Read::Error) => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
            Some(Read::Panic) => panic!("expected by the test"),
            None => Poll::Pending,
        }
    }
}

impl Transport for ScriptedTransport {
    fn poll_read(&mut self, _: &mut TaskContext<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        self.next(buf.len()).map_ok(|read| {
            buf[..read.len()].copy_from_slice(&read);
            read.len()
        })
    }

    fn poll_read_buf(
        &mut self,
        _: &mut TaskContext<'_>,
        buf: &mut Limit<&mut Vec<u8>>,
    ) -> Poll<io::Result<usize>> {
        self.next(buf.remaining_mut()).map_ok(|read| {
            buf.put_slice(&read);
            read.len()
        })
    }

    fn poll_write_vectored(
        &mut self,
        _: &mut TaskContext<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.is_broken {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        if self.room == 0 {
            return Poll::Pending;
        }
        self.log.push("write");
        let mut written = 0;
        for slice in slices {
            let count = slice.len().min(self.room);
            self.written.extend_from_slice(&slice[..count]);
            self.room -= count;
            written += count;
        }
        Poll::Ready(Ok(written))
    }

    fn poll_shutdown(&mut self, _: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        self.log.push("shutdown");
        Poll::Ready(Ok(()))
    }

    fn direct(&self) -> Option<Arc<dyn DirectWrite>> {
        None
    }

    fn ends_on_drop(&self) -> bool {
        self.ends_on_drop
    }

    fn closing(&mut self) {
        self.log.push("closing");
    }

    fn has_progressed(&mut self) -> bool {
        std::mem::take(&mut self.has_progressed)
    }
}

/// The frame of a client with this text.
pub(super) fn text(text: &str) -> Vec<u8> {
    encode_masked(OpCode::Text, true, text.as_bytes(), MASK)
}

/// The frame of a client with this many bytes of data.
pub(super) fn binary(len: usize) -> Vec<u8> {
    encode_masked(OpCode::Binary, true, &vec![7; len], MASK)
}

pub(super) fn ping(payload: &str) -> Vec<u8> {
    encode_masked(OpCode::Ping, true, payload.as_bytes(), MASK)
}

pub(super) fn close(code: CloseCode, text: &str) -> Vec<u8> {
    let body = [&code.get().to_be_bytes(), text.as_bytes()].concat();
    encode_masked(OpCode::Close, true, &body, MASK)
}

/// These frames in one read.
pub(super) fn burst(frames: &[Vec<u8>]) -> Read {
    Read::Bytes(frames.concat())
}

/// The surroundings of a part of the driver.
pub(super) struct Bench {
    pub(super) shared: Arc<ConnectionShared>,
    pub(super) handler: ScriptedHandler,
    pub(super) transport: ScriptedTransport,
    pub(super) buffers: Box<ThreadBuffers>,
}

impl Bench {
    pub(super) fn new(limits: Limits, behavior: Behavior) -> Self {
        let shared = new_shared(limits);
        Self {
            handler: ScriptedHandler::new(shared.clone(), behavior),
            shared,
            transport: ScriptedTransport::new([]),
            buffers: ThreadBuffers::take(),
        }
    }

    /// Runs a part of one turn.
    pub(super) fn turn<T>(&mut self, run: impl FnOnce(&mut Turn<'_, '_>) -> T) -> T {
        self.buffers.now = Instant::now();
        run(&mut Turn {
            handler: &mut self.handler,
            transport: &mut self.transport,
            buffers: &mut self.buffers,
            cx: &mut TaskContext::from_waker(Waker::noop()),
        })
    }

    /// The cause and the code of the recorded reason.
    pub(super) fn ending(&self) -> Option<(CloseCause, u16)> {
        let ending = self.shared.ending();
        ending.map(|reason| (reason.cause, reason.code.get()))
    }
}
