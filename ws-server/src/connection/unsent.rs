//! The bound on the unsent bytes of a connection that the system buffers.
//!
//! Linux calls it `TCP_NOTSENT_LOWAT`. The peer's system bounds the bytes that are sent and not
//! acknowledged, so the socket accepts more bytes only as the peer makes progress.

use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};

/// The bound on a listener and on the sockets that it accepts.
#[derive(Debug)]
pub(crate) struct Unsent {
    bytes: usize,
    /// Accepted sockets inherit the bound from their listener.
    inherited: bool,
}

impl Unsent {
    /// Sets the bound on a listener, for the sockets that it accepts; `None` is not a TCP listener.
    pub(crate) fn on_listener(listener: Option<&TcpListener>, bytes: usize) -> Self {
        if let Some(listener) = listener {
            set_bound(listener, bytes);
        }
        Self {
            bytes,
            inherited: false,
        }
    }

    /// Sets the bound on sockets that were connected before the listener had it. Sockets are
    /// accepted in the order in which they were connected, so once one has it, all later ones do.
    pub(crate) fn on_accepted(&mut self, tcp: &TcpStream) {
        if self.inherited {
            return;
        }
        self.inherited = is_bounded(tcp, self.bytes);
        if !self.inherited {
            set_bound(tcp, self.bytes);
        }
    }

    #[cfg(test)]
    pub(super) const fn is_inherited(&self) -> bool {
        self.inherited
    }
}

/// The speed at which a client reads. A fast client gets a larger bound, so that large messages
/// take few system calls.
///
/// Counts how often in a row the stream was full for no longer than [`MAX_FULL_TIME`], up to
/// [`FAST`]. The bound is stored outside, because every connection has a `ReadSpeed`.
#[derive(Debug, Default)]
pub(super) struct ReadSpeed(AtomicU8);

/// A client that frees capacity within this time reads at least some 650 kB/s, by default.
const MAX_FULL_TIME: Duration = Duration::from_millis(50);

/// The number of times in a row that make a client fast. A slow client with a large receive buffer
/// frees capacity as quickly until that buffer is full.
const FAST: u8 = 8;

/// The factor by which the bound of a fast client is larger.
const FAST_FACTOR: u32 = 32;

impl ReadSpeed {
    /// Reports that the stream was full and accepts bytes again after this time. `unsent` is the
    /// bound of a client that is not fast, in bytes.
    pub(super) fn resumed(&self, tcp: &TcpStream, unsent: u32, after: Duration) {
        let before = self.0.load(Ordering::Relaxed);
        let now = if after > MAX_FULL_TIME {
            0
        } else {
            FAST.min(before + 1)
        };
        if now != before {
            self.0.store(now, Ordering::Relaxed);
        }
        let (was_fast, is_fast) = (before == FAST, now == FAST);
        if was_fast != is_fast {
            let factor = if is_fast { FAST_FACTOR } else { 1 };
            let bytes = unsent.saturating_mul(factor);
            set_bound(tcp, usize::try_from(bytes).unwrap_or(usize::MAX));
        }
    }
}

#[cfg(any(target_os = "android", target_os = "linux"))]
pub(super) fn set_bound<'s>(socket: impl Into<SockRef<'s>>, bytes: usize) {
    let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
    if let Err(error) = socket.into().set_tcp_notsent_lowat(bytes) {
        tracing::debug!(%error, "TCP_NOTSENT_LOWAT is not set");
    }
}

#[cfg(any(target_os = "android", target_os = "linux"))]
fn is_bounded(tcp: &TcpStream, bytes: usize) -> bool {
    let bound = SockRef::from(tcp).tcp_notsent_lowat();
    bound.is_ok_and(|bound| usize::try_from(bound) == Ok(bytes))
}

/// Other systems have no such bound, or none that can be set with this API.
#[cfg(not(any(target_os = "android", target_os = "linux")))]
pub(super) fn set_bound<'s>(_: impl Into<SockRef<'s>>, _: usize) {}

#[cfg(not(any(target_os = "android", target_os = "linux")))]
fn is_bounded(_: &TcpStream, _: usize) -> bool {
    true
}
