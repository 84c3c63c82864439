//! The POSTs of page streams over HTTP.
//!
//! A POST without an attachment opens a stream, and its response carries the messages to the page.
//! A POST with an attachment carries messages of the page.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, StreamExt};
use http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, RETRY_AFTER,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Uri};
use tokio::time::timeout;
use ws_core::admit::{self, AdmittedPost, QueryParameter};
use ws_core::error::Refusal;
use ws_core::extract::Params;
use ws_core::over_http::{
    ATTACHMENT_PARAMETER, Attachments, NUMBER_PARAMETER, Owner, PAGE_POST_TYPE, PostElsewhere,
    PostError, PostNumber,
};
use ws_core::route::Route;

use crate::body::{BodyLost, WsBody};
use crate::handshake::{self, Arrival, FoundRoute};
use crate::shared::ServerShared;
use crate::watchdog;

/// The parameter of a page whose last response did not arrive.
const BUFFERED: &str = "buffered=1";

/// A route that carries page streams, and its parameters.
pub(crate) struct FoundStream {
    route: Arc<Route>,
    params: Params,
    attachments: Arc<Attachments>,
}

/// Finds the page stream of a POST; otherwise returns the route.
pub(crate) fn find(
    shared: &ServerShared,
    method: &Method,
    found: FoundRoute,
) -> Result<FoundStream, FoundRoute> {
    match (&shared.over_http, found) {
        (Some(attachments), Ok((route, params)))
            if *method == Method::POST && route.is_page_stream() =>
        {
            Ok(FoundStream {
                route,
                params,
                attachments: attachments.clone(),
            })
        }
        (_, found) => Err(found),
    }
}

/// Whether a POST has the media type of page streams. Other POSTs with the same URL belong to the
/// application, if there is one.
pub(crate) fn is_of_page(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    types.next().is_some_and(|one| one == PAGE_POST_TYPE) && types.next().is_none()
}

/// Responds to a POST of a page stream.
///
/// If the client leaves while `init` runs, the server drops this future, and `init` with it.
pub(crate) async fn respond(
    shared: &ServerShared,
    found: FoundStream,
    arrival: Arrival,
    body: impl Stream<Item = Result<Bytes, BodyLost>> + Send,
) -> Response<WsBody> {
    watchdog::start();
    let (route, peer) = (found.route.clone(), arrival.peer);
    let response = match post(shared, found, arrival, body).await {
        Ok(response) => response,
        Err(refusal) => {
            let status = refusal.status().as_u16();
            tracing::debug!(route = route.spec.name, ?peer, status, "a POST is refused");
            admit::count_response(&shared.hub, Some(&route), status);
            handshake::refused(refusal)
        }
    };
    without_buffers(response)
}

/// Tells caches and proxies to pass the response on at once, and unchanged.
fn without_buffers(mut response: Response<WsBody>) -> Response<WsBody> {
    let headers = response.headers_mut();
    for (name, value) in [
        (CACHE_CONTROL, "no-store, no-transform"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // Of nginx, and of proxies that copy it.
        (HeaderName::from_static("x-accel-buffering"), "no"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

async fn post(
    shared: &ServerShared,
    found: FoundStream,
    arrival: Arrival,
    body: impl Stream<Item = Result<Bytes, BodyLost>> + Send,
) -> Result<Response<WsBody>, Refusal> {
    let headers = &arrival.headers;
    if !is_of_page(headers) || headers.contains_key(CONTENT_ENCODING) {
        let body = format!("send the type `{PAGE_POST_TYPE}`, without a content encoding");
        return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE).body(body));
    }
    if let Some(attachment) = attachment(&arrival.uri)? {
        return receive(shared, &found, &arrival, attachment, body).await;
    }
    let route = found.route.clone();
    let opened = open(shared, found, arrival).await?;
    // An accepted POST with messages is not counted: the connection counts the messages.
    admit::count_response(&shared.hub, Some(&route), opened.status().as_u16());
    Ok(opened)
}

/// Admits a POST, and returns the owner of its attachment.
async fn admit_owner(
    shared: &ServerShared,
    route: &Route,
    arrival: &Arrival,
) -> Result<(AdmittedPost, Owner), Refusal> {
    let (hub, policy) = (&shared.hub, &shared.policy);
    let admitted = admit::admit_page_post(hub, policy, route, &arrival.request()).await?;
    let owner = Owner::of(admitted.visitor(), route).ok_or(Refusal::FORBIDDEN)?;
    Ok((admitted, owner))
}

/// Returns the attachment that a query names, if it names one.
fn attachment(uri: &Uri) -> Result<Option<&str>, Refusal> {
    match admit::parameter(uri, ATTACHMENT_PARAMETER) {
        QueryParameter::Absent => Ok(None),
        QueryParameter::Once(value) => Ok(Some(value)),
        QueryParameter::Repeated => {
            Err(Refusal::BAD_REQUEST.body("the query contains more than one attachment"))
        }
    }
}

/// Opens a stream.
async fn open(
    shared: &ServerShared,
    found: FoundStream,
    arrival: Arrival,
) -> Result<Response<WsBody>, Refusal> {
    let (admitted, owner) = admit_owner(shared, &found.route, &arrival).await?;
    let FoundStream {
        route,
        params,
        attachments,
    } = found;
    let query = arrival.uri.query().unwrap_or_default();
    if query.split('&').any(|pair| pair == BUFFERED) {
        shared.hints.buffering_proxy();
    }
    let (admitted, permit) = admitted.open(&shared.hub, arrival.uri, arrival.headers, params)?;
    let opened = route.open(admitted)?.run().await?;
    let (transport, lines) = attachments.attach(&shared.hub, owner, largest_body(&route), permit);
    opened.start(transport, &[]);
    let mut response = Response::new(WsBody::from(lines));
    let media_type = HeaderValue::from_static(PAGE_POST_TYPE);
    response.headers_mut().insert(CONTENT_TYPE, media_type);
    Ok(response)
}

/// The size of the largest body with messages, in bytes: one message of the largest size fits.
fn largest_body(route: &Route) -> usize {
    route.endpoint.limits().max_message.saturating_add(1)
}

/// Returns the number that a query gives to a POST, if it gives one.
fn number(uri: &Uri) -> Result<Option<PostNumber>, Refusal> {
    let number = match admit::parameter(uri, NUMBER_PARAMETER) {
        QueryParameter::Absent => return Ok(None),
        // A sign is none of a number.
        QueryParameter::Once(text) if !text.starts_with('+') => text.parse().ok(),
        QueryParameter::Once(_) | QueryParameter::Repeated => None,
    };
    let refused = || Refusal::BAD_REQUEST.body("the query contains no valid number of the POST");
    number.map(Some).ok_or_else(refused)
}

/// Passes the messages of a page to its connection, on this server or another one.
async fn receive(
    shared: &ServerShared,
    found: &FoundStream,
    arrival: &Arrival,
    attachment: &str,
    body: impl Stream<Item = Result<Bytes, BodyLost>> + Send,
) -> Result<Response<WsBody>, Refusal> {
    let number = number(&arrival.uri)?;
    let (_, owner) = admit_owner(shared, &found.route, arrival).await?;
    let (hub, time) = (&shared.hub, shared.limits.body_timeout);
    let limit = largest_body(&found.route);
    let read = async |limit| read(limit, time, &arrival.headers, body).await;
    if let Some(attachment) = found.attachments.find(attachment, &owner) {
        let turn = attachment.turn().await.map_err(post_refused)?;
        let body = read(limit).await?;
        turn.send(number, &body).await.map_err(post_refused)?;
    } else {
        let post = PostElsewhere::begin(hub, attachment, &owner).map_err(post_refused)?;
        let body = read(post.largest_body(limit)).await?;
        post.send(number, body).await.map_err(post_refused)?;
    }
    let mut response = Response::new(WsBody::default());
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}

/// The client repeats a POST with the same number after a status with `Retry-After`.
fn post_refused(error: PostError) -> Refusal {
    let later = |refusal: Refusal| refusal.header(RETRY_AFTER, HeaderValue::from_static("1"));
    match error {
        PostError::Busy => later(Refusal::TOO_MANY_REQUESTS)
            .body("the page sends other messages; send one POST at a time"),
        PostError::Ended => {
            Refusal::CONFLICT.body("the attachment has ended, or is of another page: attach again")
        }
        PostError::Unavailable => later(Refusal::SERVICE_UNAVAILABLE)
            .body("the server of the attachment cannot be reached; try again"),
    }
}

/// Reads a body of at most this number of bytes, within this time.
async fn read(
    limit: usize,
    time: Duration,
    headers: &HeaderMap,
    body: impl Stream<Item = Result<Bytes, BodyLost>> + Send,
) -> Result<Vec<u8>, Refusal> {
    let length = headers
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok());
    if length.is_some_and(|length| length.parse::<usize>().is_ok_and(|length| length > limit)) {
        return Err(too_large(limit));
    }
    // One deadline for all parts: a client that sends a byte now and then holds its turn no longer.
    timeout(time, collect(limit, body)).await.map_err(|_| {
        Refusal::new(StatusCode::REQUEST_TIMEOUT).body("the body did not arrive in time")
    })?
}

async fn collect(
    limit: usize,
    body: impl Stream<Item = Result<Bytes, BodyLost>> + Send,
) -> Result<Vec<u8>, Refusal> {
    let mut body = pin!(body);
    let mut bytes = Vec::new();
    while let Some(part) = body.next().await {
        let part =
            part.map_err(|BodyLost| Refusal::BAD_REQUEST.body("the body is not complete"))?;
        if bytes.len() + part.len() > limit {
            return Err(too_large(limit));
        }
        bytes.extend_from_slice(&part);
    }
    Ok(bytes)
}

fn too_large(limit: usize) -> Refusal {
    let body = format!("the body is larger than {limit} bytes");
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE).body(body)
}

#[cfg(test)]
mod tests {
    use futures::stream;
    use tokio::time::sleep;

    use super::*;

    const TIME: Duration = Duration::from_secs(30);

    async fn status(
        limit: usize,
        body: impl Stream<Item = Result<Bytes, BodyLost>> + Send,
    ) -> Result<Vec<u8>, u16> {
        let read = read(limit, TIME, &HeaderMap::new(), body).await;
        read.map_err(|refusal| refusal.status().as_u16())
    }

    /// A body of this number of bytes, with ten seconds before each.
    fn trickle(bytes: usize) -> impl Stream<Item = Result<Bytes, BodyLost>> + Send {
        stream::iter(0..bytes).then(async |_| {
            sleep(Duration::from_secs(10)).await;
            Ok(Bytes::from_static(b"x"))
        })
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_trickles_has_one_deadline() {
        assert_eq!(status(1000, trickle(1000)).await, Err(408));
        assert_eq!(status(1000, trickle(2)).await, Ok(b"xx".to_vec()));
    }

    #[tokio::test]
    async fn a_body_is_limited_and_must_be_complete() {
        let parts = |parts: &'static [&'static str]| {
            stream::iter(
                parts
                    .iter()
                    .map(|part| Ok(Bytes::from_static(part.as_bytes()))),
            )
        };
        assert_eq!(status(4, parts(&["ab", "cd"])).await, Ok(b"abcd".to_vec()));
        assert_eq!(status(4, parts(&["ab", "cde"])).await, Err(413));
        let cut = parts(&["ab"]).chain(stream::iter([Err(BodyLost)]));
        assert_eq!(status(4, cut).await, Err(400));
    }
}
