//! Sessions on the HTTP side of an application.
//!
//! A visitor is looked up exactly as in a handshake: from the parts of any HTTP request, or by
//! warp's filters, in `filters`.

use std::net::SocketAddr;
use std::sync::Arc;

use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, Uri};
use ws_core::admit::{self, Client, Request};
use ws_core::error::Refusal;
use ws_core::session::{Session, SessionError};

use crate::body::WsBody;
use crate::exchange::{Exchange, Target};
use crate::peer::OverTls;
use crate::shared::ServerShared;

mod cookie;
#[cfg(feature = "warp")]
mod filters;
#[cfg(feature = "warp")]
mod rejection;
#[cfg(feature = "warp")]
mod reply;
mod visit;

#[cfg(feature = "warp")]
pub(crate) use filters::{current_session, current_visit, open_page, page, session};
#[cfg(feature = "warp")]
pub use rejection::{recover, reject};
pub use visit::Visit;

/// The parts of a request that identify its visitor.
struct VisitRequest<'r> {
    method: &'r Method,
    uri: &'r Uri,
    headers: &'r HeaderMap,
    peer: Option<SocketAddr>,
    over_tls: bool,
    exchange: Option<Exchange>,
}

/// The visitor of a request, as found.
struct FoundVisitor {
    session: Option<Session>,
    client: Client,
}

impl<'r> VisitRequest<'r> {
    fn new(shared: &ServerShared, parts: &'r Parts) -> Self {
        let target = parts.extensions.get::<Target>();
        Self {
            method: &parts.method,
            uri: &parts.uri,
            headers: &parts.headers,
            peer: shared.peer(&parts.extensions),
            over_tls: parts.extensions.get::<OverTls>().is_some(),
            exchange: target.map(|target| target.exchange.clone()),
        }
    }

    /// Looks the visitor up.
    async fn find_visitor(&self, shared: &ServerShared) -> Result<FoundVisitor, Refusal> {
        let request = Request {
            method: self.method,
            version: None,
            uri: self.uri,
            headers: self.headers,
            peer: self.peer,
            over_tls: self.over_tls,
            can_upgrade: false,
        };
        let client = admit::client(&request, &shared.policy)?;
        // A request that changes nothing may come from any site; browsers do not show that site the
        // response.
        if !self.method.is_safe() {
            admit::same_site(&request, &client, &shared.policy)?;
        }
        shared.hints.check_proxy(&client, self.headers);
        let sessions = shared.hub.sessions();
        let session = sessions.find(self.headers, client.is_secure()).await;
        let session = session.map_err(|error| failed(shared, error, &client))?;
        Ok(FoundVisitor { session, client })
    }
}

/// Logs the store's error; the visitor gets only the status.
fn failed(shared: &ServerShared, error: SessionError, client: &Client) -> Refusal {
    shared
        .policy
        .request_log
        .no_session(&error, client.address());
    error.into()
}

/// How to handle a request that was in flight while a logon set another cookie in its browser. A
/// cookie of a new session would overwrite that one.
#[derive(Clone, Copy)]
enum AfterLogon {
    /// It gets a session that is used only for its response.
    SeparateSession,
    /// It is refused, because its page would be useless. The next attempt succeeds.
    Refuse,
}

/// The visit of a request; begins a session if there is none.
pub(crate) async fn begin(shared: &Arc<ServerShared>, parts: &Parts) -> Result<Visit, Refusal> {
    let request = VisitRequest::new(shared, parts);
    visit(shared, &request, AfterLogon::SeparateSession).await
}

/// The visit of a visitor who has a session.
pub(crate) async fn find(
    shared: &Arc<ServerShared>,
    parts: &Parts,
) -> Result<Option<Visit>, Refusal> {
    let request = VisitRequest::new(shared, parts);
    let FoundVisitor { session, client } = request.find_visitor(shared).await?;
    let secure = client.is_secure();
    let visit = session.map(|session| Visit::existing(shared.clone(), session, secure));
    Ok(visit.map(|visit| visit.with_client(&client).with_exchange(request.exchange)))
}

/// Returns the id of a new page of the visitor, as JSON.
pub(crate) async fn new_page(
    shared: &Arc<ServerShared>,
    parts: &Parts,
) -> Result<Response<WsBody>, Refusal> {
    let request = VisitRequest::new(shared, parts);
    let mut visit = visit(shared, &request, AfterLogon::Refuse).await?;
    let page = match visit.open_page() {
        Ok(page) => page,
        Err(error) => return Err(visit.failed(error)),
    };
    let mut response = Response::new(WsBody::from(page.announcement()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    visit.apply(headers);
    Ok(response)
}

async fn visit(
    shared: &Arc<ServerShared>,
    request: &VisitRequest<'_>,
    after_logon: AfterLogon,
) -> Result<Visit, Refusal> {
    let found = request.find_visitor(shared).await?;
    let client = found.client.clone();
    let visit = visit_of(shared, request, found, after_logon).await?;
    let exchange = request.exchange.clone();
    Ok(visit.with_client(&client).with_exchange(exchange))
}

async fn visit_of(
    shared: &Arc<ServerShared>,
    request: &VisitRequest<'_>,
    FoundVisitor { session, client }: FoundVisitor,
    after_logon: AfterLogon,
) -> Result<Visit, Refusal> {
    let (sessions, secure) = (shared.hub.sessions(), client.is_secure());
    if let Some(session) = session {
        return Ok(Visit::existing(shared.clone(), session, secure));
    }
    if sessions.are_foreign() {
        return Err(
            Refusal::FORBIDDEN.body("this URL requires a session of this site; log on first")
        );
    }
    let overtaken = sessions.has_replaced_key(request.headers, secure);
    if overtaken && matches!(after_logon, AfterLogon::Refuse) {
        return Err(Refusal::CONFLICT.body("a logon has replaced the session"));
    }
    let begun = sessions.begin_for(client.counted_address()).await;
    let (session, token) = begun.map_err(|error| failed(shared, error, &client))?;
    if overtaken {
        return Ok(Visit::existing(shared.clone(), session, secure));
    }
    Ok(Visit::new_session(shared.clone(), session, token, secure))
}
