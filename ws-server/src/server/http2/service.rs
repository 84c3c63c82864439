//! The service of an application for the streams of one connection.

use std::convert::Infallible;
use std::sync::Arc;

use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::service::Service;

use super::streams::Streams;
use crate::body::{FallbackBody, WsBody};
use crate::extended_connect;
use crate::handshake::refused;
use crate::peer::Peer;
use crate::server::http::{Activity, PeerService, ResponseBody, ResponseFuture, TransferLimits};

/// The service for the client of one connection. Each request has an activity of its own.
#[derive(Clone, Debug)]
pub(super) struct StreamService<S> {
    service: S,
    peer: Peer,
    transfers: TransferLimits,
    streams: Arc<Streams>,
}

impl<S> StreamService<S> {
    pub(super) const fn new(
        service: S,
        peer: Peer,
        transfers: TransferLimits,
        streams: Arc<Streams>,
    ) -> Self {
        Self {
            service,
            peer,
            transfers,
            streams,
        }
    }
}

impl<S, B> Service<Request<Incoming>> for StreamService<S>
where
    S: tower_service::Service<
            Request<super::RequestBody>,
            Response = Response<B>,
            Error = Infallible,
        > + Clone
        + Send
        + 'static,
    S::Future: Send + 'static,
    B: Body + Send + 'static,
{
    type Response = Response<ResponseBody<FallbackBody<B>>>;
    type Error = Infallible;
    type Future = ResponseFuture<FallbackBody<B>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        let activity = Activity::new(self.transfers, u64::MAX);
        self.streams.begin(activity.clone());
        let is_connect = match extended_connect::translate_request(&mut request) {
            Ok(is_connect) => is_connect,
            Err(refusal) => {
                return Box::pin(async move { Ok(respond(refused(refusal), &activity)) });
            }
        };
        let service = PeerService::new(self.service.clone(), self.peer, activity.clone());
        let response = service.call(request);
        Box::pin(async move {
            let Ok(mut response) = response.await;
            if is_connect && let Err(refusal) = extended_connect::translate_response(&mut response)
            {
                drop(response);
                return Ok(respond(refused(refusal), &activity));
            }
            Ok(response)
        })
    }
}

/// Responds without the application.
fn respond<B>(
    response: Response<WsBody>,
    activity: &Arc<Activity>,
) -> Response<ResponseBody<FallbackBody<B>>> {
    let number = activity.begin();
    ResponseBody::of(number, response.map(FallbackBody::ours), activity)
}
