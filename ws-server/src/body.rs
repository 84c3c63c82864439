//! The bodies of responses.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use futures::Stream;
use futures::stream::poll_fn;
use hyper::body::{Body, Frame, SizeHint};
use ws_core::over_http::ResponseLines;

/// The body of a response of a [`WsService`](crate::WsService): a text or a file, in one piece, or
/// the lines of a page stream over HTTP.
#[derive(Debug, Default)]
pub struct WsBody(Content);

#[derive(Debug)]
pub(crate) enum Content {
    Bytes(Bytes),
    Lines(ResponseLines),
}

#[cfg(feature = "warp")]
impl WsBody {
    pub(crate) fn into_content(self) -> Content {
        self.0
    }
}

impl Default for Content {
    fn default() -> Self {
        Self::Bytes(Bytes::new())
    }
}

impl From<String> for WsBody {
    fn from(text: String) -> Self {
        Self(Content::Bytes(text.into()))
    }
}

impl From<Bytes> for WsBody {
    fn from(bytes: Bytes) -> Self {
        Self(Content::Bytes(bytes))
    }
}

impl From<ResponseLines> for WsBody {
    fn from(lines: ResponseLines) -> Self {
        Self(Content::Lines(lines))
    }
}

impl Body for WsBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut self.0 {
            Content::Bytes(bytes) => {
                let bytes = std::mem::take(bytes);
                Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
            }
            Content::Lines(lines) => {
                let next = lines.poll_next(cx);
                next.map(|lines| lines.map(|lines| Ok(Frame::data(lines))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Content::Bytes(bytes) => bytes.is_empty(),
            Content::Lines(lines) => lines.is_ended(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Content::Bytes(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Content::Lines(_) => SizeHint::default(),
        }
    }
}

/// The body of a request was not received completely.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct BodyLost;

/// The bytes of a request's body, of any server.
pub(crate) fn chunks<B>(body: B) -> impl Stream<Item = Result<Bytes, BodyLost>> + Send
where
    B: Body<Data: Send> + Send + 'static,
{
    let mut body = Box::pin(body);
    poll_fn(move |cx| {
        loop {
            let frame = match ready!(body.as_mut().poll_frame(cx)) {
                None => return Poll::Ready(None),
                Some(Err(_)) => return Poll::Ready(Some(Err(BodyLost))),
                Some(Ok(frame)) => frame,
            };
            // Trailers have no meaning.
            if let Ok(mut data) = frame.into_data() {
                let all = data.remaining();
                return Poll::Ready(Some(Ok(data.copy_to_bytes(all))));
            }
        }
    })
}

/// The body of a response of a [`WithFallback`](crate::WithFallback): ours, or that of the
/// application's service.
#[derive(Debug)]
pub struct FallbackBody<B>(Source<B>);

#[derive(Debug)]
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
