//! The network between a test's client and a connection: two bounded byte streams.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, IoSlice};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::outbox::{DirectWrite, Transport, wake};

/// How many bytes the network buffers by default.
pub(super) const ROOM: usize = 64 * 1024;

/// The network, shared by both ends.
#[derive(Clone)]
pub(super) struct Pipe {
    wires: Arc<Mutex<Wires>>,
    direct: bool,
}

/// The flags are independent.
#[expect(
    clippy::struct_excessive_bools,
    reason = "each side can end independently"
)]
struct Wires {
    to_server: VecDeque<u8>,
    to_client: VecDeque<u8>,
    /// The writes of the server that had room.
    writes: u64,
    room: usize,
    /// The client has ended its side.
    client_done: bool,
    /// The server has ended its side.
    server_done: bool,
    /// The connection was reset.
    reset: bool,
    /// Writes of the server fail.
    refusing: bool,
    readable: Option<Waker>,
    writable: Option<Waker>,
    client: Option<Waker>,
}

impl fmt::Debug for Pipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pipe")
    }
}

impl Pipe {
    pub(super) fn new(room: usize, direct: bool) -> Self {
        let wires = Wires {
            to_server: VecDeque::new(),
            to_client: VecDeque::new(),
            writes: 0,
            room,
            client_done: false,
            server_done: false,
            reset: false,
            refusing: false,
            readable: None,
            writable: None,
            client: None,
        };
        Self {
            wires: Arc::new(Mutex::new(wires)),
            direct,
        }
    }

    pub(super) fn server(&self) -> ServerEnd {
        ServerEnd { pipe: self.clone() }
    }

    fn lock(&self) -> MutexGuard<'_, Wires> {
        self.wires.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes bytes as the client. The direction to the server is unbounded.
    pub(super) fn write(&self, bytes: &[u8]) {
        let mut wires = self.lock();
        wires.to_server.extend(bytes);
        let waker = wires.readable.take();
        drop(wires);
        wake(waker);
    }

    /// Reads, as the client, bytes that have arrived; returns `None` at the end of the stream.
    pub(super) fn poll_read(&self, cx: &mut Context<'_>, max: usize) -> Poll<Option<Vec<u8>>> {
        let mut wires = self.lock();
        if wires.to_client.is_empty() {
            if wires.server_done || wires.reset {
                return Poll::Ready(None);
            }
            wires.client = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let count = max.min(wires.to_client.len());
        let bytes = wires.to_client.drain(..count).collect();
        let waker = wires.writable.take();
        drop(wires);
        wake(waker);
        Poll::Ready(Some(bytes))
    }

    /// Ends the client's side, or resets the connection.
    pub(super) fn end(&self, reset: bool) {
        let mut wires = self.lock();
        wires.client_done = true;
        wires.reset |= reset;
        let wakers = [wires.readable.take(), wires.writable.take()];
        drop(wires);
        wakers.into_iter().for_each(wake);
    }

    /// Makes every further write of the server fail; the client's bytes can still be read.
    pub(super) fn refuse(&self) {
        self.lock().refusing = true;
    }

    /// Bytes that the server has written and the client has not read.
    pub(super) fn unread(&self) -> usize {
        self.lock().to_client.len()
    }

    /// The writes of the server that had room.
    pub(super) fn writes(&self) -> u64 {
        self.lock().writes
    }

    /// Bytes that the client has sent and the server has not read.
    pub(super) fn unsent(&self) -> usize {
        self.lock().to_server.len()
    }

    fn try_write(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut wires = self.lock();
        if wires.reset || wires.refusing || wires.server_done {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        let mut room = wires.room.saturating_sub(wires.to_client.len());
        if room == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        wires.writes += 1;
        let mut written = 0;
        for slice in slices {
            let count = room.min(slice.len());
            wires.to_client.extend(&slice[..count]);
            room -= count;
            written += count;
        }
        let waker = wires.client.take();
        drop(wires);
        wake(waker);
        Ok(written)
    }
}

impl DirectWrite for Pipe {
    fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.try_write(slices)
    }
}

/// The server's end of the network.
pub(super) struct ServerEnd {
    pipe: Pipe,
}

impl Transport for ServerEnd {
    fn poll_read(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut wires = self.pipe.lock();
        if wires.reset {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        if wires.to_server.is_empty() && !wires.client_done {
            wires.readable = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let count = buf.len().min(wires.to_server.len());
        for (place, byte) in buf.iter_mut().zip(wires.to_server.drain(..count)) {
            *place = byte;
        }
        Poll::Ready(Ok(count))
    }

    fn poll_write_vectored(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // Registered before the attempt, so that no wake-up is lost in between.
        self.pipe.lock().writable = Some(cx.waker().clone());
        match self.pipe.try_write(slices) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
            other => Poll::Ready(other),
        }
    }

    fn poll_shutdown(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.end_server();
        Poll::Ready(Ok(()))
    }

    fn direct(&self) -> Option<Arc<dyn DirectWrite>> {
        self.pipe
            .direct
            .then(|| Arc::new(self.pipe.clone()) as Arc<dyn DirectWrite>)
    }
}

impl ServerEnd {
    fn end_server(&self) {
        let mut wires = self.pipe.lock();
        wires.server_done = true;
        let waker = wires.client.take();
        drop(wires);
        wake(waker);
    }
}

impl Drop for ServerEnd {
    fn drop(&mut self) {
        self.end_server();
    }
}
