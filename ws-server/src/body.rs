//! The bodies of responses.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

/// The body of a response of a [`WsService`](crate::WsService): a text or a file, in one piece.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct WsBody(Bytes);

impl WsBody {
    /// Returns all of its bytes.
    pub fn into_bytes(self) -> Bytes {
        self.0
    }
}

impl From<String> for WsBody {
    fn from(text: String) -> Self {
        Self(text.into())
    }
}

impl From<Bytes> for WsBody {
    fn from(bytes: Bytes) -> Self {
        Self(bytes)
    }
}

impl Body for WsBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let bytes = std::mem::take(&mut self.0);
        Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.len() as u64)
    }
}

/// The body of a response of a [`WithFallback`](crate::WithFallback): ours, or that of the
/// application's service.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FallbackBody<B>(Source<B>);

#[derive(Clone, PartialEq, Eq, Debug)]
enum Source<B> {
    Ours(WsBody),
    Fallback(B),
}

impl<B> FallbackBody<B> {
    pub(crate) const fn ours(body: WsBody) -> Self {
        Self(Source::Ours(body))
    }

    pub(crate) const fn fallback(body: B) -> Self {
        Self(Source::Fallback(body))
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for FallbackBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match &mut self.0 {
            Source::Ours(body) => Pin::new(body)
                .poll_frame(cx)
                .map(|frame| frame.map(|frame| frame.map_err(|never| match never {}))),
            Source::Fallback(body) => Pin::new(body).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Source::Ours(body) => body.is_end_stream(),
            Source::Fallback(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Source::Ours(body) => body.size_hint(),
            Source::Fallback(body) => body.size_hint(),
        }
    }
}
