//! A stream that buffers writes until it is flushed, as TLS does.

use std::io::{self, IoSlice};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use ws_core::driver::connect;
use ws_core::extract::{Admitted, AnyState, Endpoint};
use ws_core::outbox::{DirectWrite, Transport};
use ws_core::protocol::OpCode;
use ws_core::protocol::encoder::{encode, encode_close, encode_masked};
use ws_server::extract::{AnyRoute, NoState};
use ws_server::limits::Limits;
use ws_server::prelude::*;

use crate::journal::settle;

/// Delivers the client's bytes, and buffers writes until it is flushed.
struct Keeping {
    input: Vec<u8>,
    kept: Vec<u8>,
    /// The number of flushes that still return pending, each with a wake-up.
    slow: usize,
    wire: Arc<Mutex<Vec<u8>>>,
}

impl Keeping {
    fn flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.kept.is_empty() {
            return Poll::Ready(Ok(()));
        }
        if self.slow > 0 {
            self.slow -= 1;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.wire.lock().unwrap().append(&mut self.kept);
        Poll::Ready(Ok(()))
    }
}

impl Transport for Keeping {
    fn poll_read(&mut self, _: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        if self.input.is_empty() {
            return Poll::Pending;
        }
        let count = buf.len().min(self.input.len());
        buf[..count].copy_from_slice(&self.input[..count]);
        self.input.drain(..count);
        Poll::Ready(Ok(count))
    }

    fn poll_write_vectored(
        &mut self,
        _: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let before = self.kept.len();
        for slice in slices {
            self.kept.extend(&**slice);
        }
        Poll::Ready(Ok(self.kept.len() - before))
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.flush(cx)
    }

    fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.flush(cx)
    }

    fn direct(&self) -> Option<Arc<dyn DirectWrite>> {
        None
    }
}

struct Echo;

#[ws_handler]
impl Echo {
    fn init() -> Self {
        Echo
    }

    fn message(&mut self, text: String) -> String {
        text
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_lost_between_the_last_write_and_the_end() {
    for slow in [0, 1, 5] {
        let state = AnyState::new(NoState);
        let endpoint = Endpoint::new("test", "/", Hub::default(), state, Limits::DEFAULT);
        let uri = http::Uri::from_static("/");
        let admitted = Admitted::unchecked(uri, http::HeaderMap::new());
        let opened = connect::<Echo, AnyRoute>(Arc::new(endpoint), admitted);
        let opened = opened.run().await.unwrap();
        let mut input = encode_masked(OpCode::Text, true, b"last words", [1, 2, 3, 4]);
        input.extend(encode_masked(OpCode::Close, true, &[3, 232], [1, 2, 3, 4]));
        let wire = Arc::default();
        let transport = Keeping {
            input,
            kept: Vec::new(),
            slow,
            wire: Arc::clone(&wire),
        };
        opened.start(Box::new(transport).into(), &[]);
        settle().await;
        let mut expected = encode(OpCode::Text, b"last words").to_vec();
        expected.extend(encode_close(&Close::NORMAL));
        assert_eq!(*wire.lock().unwrap(), expected, "after {slow} slow flushes");
    }
}
