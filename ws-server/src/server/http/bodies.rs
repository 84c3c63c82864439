//! The bodies of requests and responses, which report their progress to their connection.

use std::io::IoSlice;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use hyper::body::{Body, Frame, Incoming, SizeHint};

use super::activity::Activity;

/// The body of a request that the server's own accept loop passes to the service of an application;
/// see [`Ws::serve_service`](crate::Ws::serve_service).
#[derive(Debug)]
pub struct RequestBody {
    body: Incoming,
    /// The number of its request, until the body ends.
    request: Option<(u64, Arc<Activity>)>,
}

impl RequestBody {
    /// The body of the latest request whose head has arrived.
    pub(in crate::server) fn new(body: Incoming, activity: &Arc<Activity>) -> Self {
        let comes = !body.is_end_stream();
        let request = comes.then(|| (activity.begin_receiving(), activity.clone()));
        Self { body, request }
    }

    fn end(&mut self) {
        if let Some((request, activity)) = self.request.take() {
            activity.end_receiving(request);
        }
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        match (&polled, &self.request) {
            (Poll::Pending, Some((request, activity))) => activity.await_body(*request),
            (Poll::Ready(Some(Ok(frame))), Some((request, activity))) => {
                activity.received(*request, frame.data_ref().map_or(0, Bytes::len));
                if self.body.is_end_stream() {
                    self.end();
                }
            }
            (Poll::Ready(_), _) => self.end(),
            (Poll::Pending, None) => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        self.end();
    }
}

/// The body of a response. hyper drops it after it has taken the whole body.
#[derive(Debug)]
pub(in crate::server) struct ResponseBody<B> {
    body: B,
    activity: Arc<Activity>,
}

impl<B> ResponseBody<B> {
    /// The response to the request with this number.
    pub(in crate::server) fn of(
        request: u64,
        mut response: http::Response<B>,
        activity: &Arc<Activity>,
    ) -> http::Response<Self> {
        activity.begin_response(request, &mut response);
        let activity = activity.clone();
        response.map(|body| Self { body, activity })
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for ResponseBody<B> {
    type Data = Chunk;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Chunk>, B::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        let frame = frame.map(|frame| {
            frame.map(|frame| frame.map_data(|bytes| Chunk::new(bytes, self.activity.clone())))
        });
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B> Drop for ResponseBody<B> {
    fn drop(&mut self) {
        self.activity.end_response();
    }
}

/// Bytes of a response that are being written: hyper advances them as the system accepts them.
#[derive(Debug)]
pub(in crate::server) struct Chunk {
    bytes: Bytes,
    activity: Arc<Activity>,
}

impl Chunk {
    fn new(bytes: Bytes, activity: Arc<Activity>) -> Self {
        activity.enqueue(bytes.len());
        Self { bytes, activity }
    }
}

impl Buf for Chunk {
    fn remaining(&self) -> usize {
        self.bytes.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.bytes.chunk()
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        self.bytes.chunks_vectored(slices)
    }

    fn advance(&mut self, bytes: usize) {
        self.bytes.advance(bytes);
        self.activity.sent(bytes);
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        if !self.bytes.is_empty() {
            self.activity.discard(self.bytes.len());
        }
    }
}
