//! The transport of a connection whose client uses HTTP.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Sleep, sleep};

use super::Registration;
use super::pipe::{Pipe, ResponseGone};
use crate::close::CloseCode;
use crate::hub::Permit;
use crate::outbox::{DirectWrite, Transport};
use crate::protocol::encoder::encode_masked;
use crate::protocol::{Decoder, Event, Incoming, OpCode, Role};
use crate::wire::{OverHttp, json};

/// The largest message to the client: the page's queue limits it, not the transport.
const UNLIMITED: usize = usize::MAX;

/// The maximum number of bytes decoded at a time, so that a slow client shows its progress.
const MAX_WRITE: usize = 16 * 1024;

/// The time for which a connection accepts messages when its response is gone. A page that is closed
/// ends its response and sends its last messages and `bye` in a POST, which may arrive later. If
/// another connection takes the page, the Close ends the connection at once.
pub(super) const LINGER: Duration = Duration::from_secs(1);

/// Converts between the frames of a connection and the lines of its requests.
pub(super) struct HttpTransport {
    pipe: Arc<Pipe>,
    /// Decodes the frames that the connection writes.
    decoder: Decoder,
    /// Runs when the response is gone.
    linger: Option<Pin<Box<Sleep>>>,
    _registration: Registration,
    _permit: Arc<Permit>,
}

impl HttpTransport {
    pub(super) fn new(pipe: Arc<Pipe>, registration: Registration, permit: Arc<Permit>) -> Self {
        Self {
            pipe,
            decoder: Decoder::new(Role::Client, UNLIMITED),
            linger: None,
            _registration: registration,
            _permit: permit,
        }
    }

    /// Waits for [`LINGER`] since the first call.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let linger = self.linger.get_or_insert_with(|| Box::pin(sleep(LINGER)));
        linger.as_mut().poll(cx)
    }

    /// Reads frames of the client; 0 bytes if it has been gone for [`LINGER`].
    fn poll_frames(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<usize> {
        let read = self.pipe.poll_read(cx, buf);
        if read.is_pending() && self.pipe.is_response_gone() {
            return self.poll_linger(cx).map(|()| 0);
        }
        read
    }

    /// Converts frames into lines, at most [`MAX_WRITE`] bytes of them.
    fn write(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let first = slices.iter().find(|slice| !slice.is_empty());
        let first = first.map_or(&[][..], |slice| &slice[..slice.len().min(MAX_WRITE)]);
        let mut bytes = first.to_vec();
        let mut rest = &mut bytes[..];
        while let Some(event) = self.decoder.decode(&mut rest).map_err(invalid)? {
            write_event(&self.pipe, &event)?;
        }
        Ok(first.len() - rest.len())
    }
}

/// Writes one frame of the connection as a line.
fn write_event(pipe: &Pipe, event: &Event<'_>) -> io::Result<()> {
    match event {
        Event::Message(Incoming::Text(text)) => pipe.push_line(text.as_str()),
        Event::Message(Incoming::Binary(_)) => return Err(invalid("a binary message")),
        Event::Ping(_) => pipe.push_line(&json(&OverHttp::Ping)),
        Event::Pong(_) => {}
        Event::Close(close) => {
            let (code, reason) = match close {
                Some((code, text)) => (*code, text.as_str()),
                None => (CloseCode::NO_STATUS, ""),
            };
            let code = code.get();
            pipe.push_line(&json(&OverHttp::Close { code, reason }));
            // No request of the client answers a Close. The line is the last one, so nothing can
            // be lost if the answer comes from here.
            let body = if close.is_some() {
                &code.to_be_bytes()[..]
            } else {
                &[]
            };
            pipe.push_frames(&encode_masked(OpCode::Close, true, body, [0; 4]));
        }
    }
    Ok(())
}

fn invalid<E: Into<Box<dyn std::error::Error + Send + Sync>>>(error: E) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

fn gone(_: ResponseGone) -> io::Error {
    io::ErrorKind::BrokenPipe.into()
}

impl Transport for HttpTransport {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        self.poll_frames(cx, buf).map(Ok)
    }

    fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // While the connection lingers, its lines are discarded: the page's queue keeps the messages.
        if let Err(error) = ready!(self.pipe.poll_room(cx))
            && self.poll_linger(cx).is_ready()
        {
            return Poll::Ready(Err(gone(error)));
        }
        Poll::Ready(self.write(slices))
    }

    /// Waits until the server has taken the last line, so that a shutdown does not cut it off.
    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.pipe.end();
        self.pipe.poll_taken(cx).map_err(gone)
    }

    /// Senders wake the connection: it converts their frames.
    fn direct(&self) -> Option<Arc<dyn DirectWrite>> {
        None
    }
}

impl Drop for HttpTransport {
    fn drop(&mut self) {
        self.pipe.end();
    }
}
