//! Sessions on the HTTP side of an application, as warp filters.
//!
//! The filters are methods of [`Ws`](crate::Ws): `session`, `current_session`, `page` and
//! `open_page`. They look a visitor up exactly as a handshake does.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use http::{HeaderMap, Method, Uri};
use warp::Filter;
use warp::filters::BoxedFilter;
use ws_core::admit::{self, Client, Request};
use ws_core::error::Refusal;
use ws_core::page::Page;
use ws_core::session::{Session, SessionError};

use crate::exchange::Exchange;
use crate::filter::{Target, WsFilter, peer};
use crate::shared::ServerShared;

mod cookie;
mod rejection;
mod visit;

pub use rejection::{recover, reject};
pub use visit::Visit;

/// The parts of a request that identify its visitor.
struct VisitRequest {
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    peer: Option<SocketAddr>,
    exchange: Option<Exchange>,
}

/// The visitor of a request, as found.
struct FoundVisitor {
    session: Option<Session>,
    client: Client,
}

/// Extracts every request, with the server that it belongs to.
fn visit_requests(
    shared: &Arc<ServerShared>,
) -> impl Filter<Extract = (Arc<ServerShared>, VisitRequest), Error = Infallible> + Clone + use<> {
    let shared = shared.clone();
    warp::any().map(move || shared.clone()).and(visit_request())
}

fn visit_request() -> impl Filter<Extract = (VisitRequest,), Error = Infallible> + Clone {
    warp::method()
        .and(warp::ext::optional::<Target>())
        .and(warp::header::headers_cloned())
        .and(peer())
        .map(|method, target: Option<Target>, headers, peer| {
            let (uri, exchange) = target.map(|it| (it.uri, it.exchange)).unzip();
            VisitRequest {
                method,
                // Only the authority matters here, and warp provides none.
                uri: uri.unwrap_or_default(),
                headers,
                peer,
                exchange,
            }
        })
}

impl VisitRequest {
    /// Looks the visitor up.
    async fn find_visitor(&self, shared: &ServerShared) -> Result<FoundVisitor, Refusal> {
        let request = Request {
            method: &self.method,
            version: None,
            uri: &self.uri,
            headers: &self.headers,
            peer: self.peer,
            can_upgrade: false,
        };
        let client = admit::client(&request, &shared.policy)?;
        // A request that changes nothing may come from any site; browsers do not show that site the
        // response.
        if !self.method.is_safe() {
            admit::same_site(&request, &client, &shared.policy)?;
        }
        shared.hints.check_proxy(&client, &self.headers);
        let sessions = shared.hub.sessions();
        let session = sessions.find(&self.headers, client.is_secure()).await;
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

/// The visitor's session; begins one if there is none.
pub(crate) fn session(shared: &Arc<ServerShared>) -> BoxedFilter<(Visit,)> {
    visits(shared, AfterLogon::SeparateSession)
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

fn visits(shared: &Arc<ServerShared>, after_logon: AfterLogon) -> BoxedFilter<(Visit,)> {
    visit_requests(shared)
        .and_then(
            move |shared: Arc<ServerShared>, request: VisitRequest| async move {
                visit(&shared, &request, after_logon).await.map_err(reject)
            },
        )
        .boxed()
}

async fn visit(
    shared: &Arc<ServerShared>,
    request: &VisitRequest,
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
    request: &VisitRequest,
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
    let overtaken = sessions.has_replaced_key(&request.headers, secure);
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

/// The visitor's session, if there is one.
pub(crate) fn current_session(shared: &Arc<ServerShared>) -> BoxedFilter<(Option<Session>,)> {
    current_visit(shared)
        .map(|visit: Option<Visit>| visit.map(|visit| visit.session().clone()))
        .boxed()
}

/// The visit of a visitor who has a session.
pub(crate) fn current_visit(shared: &Arc<ServerShared>) -> BoxedFilter<(Option<Visit>,)> {
    visit_requests(shared)
        .and_then(async |shared: Arc<ServerShared>, request: VisitRequest| {
            let FoundVisitor { session, client } =
                request.find_visitor(&shared).await.map_err(reject)?;
            let secure = client.is_secure();
            let visit = |session| Visit::existing(shared.clone(), session, secure);
            let visit = session.map(visit);
            let visit =
                visit.map(|visit| visit.with_client(&client).with_exchange(request.exchange));
            Ok::<_, warp::Rejection>(visit)
        })
        .boxed()
}

/// The visitor's session, and a new page of it.
pub(crate) fn page(shared: &Arc<ServerShared>) -> BoxedFilter<(Visit, Page)> {
    page_of(session(shared))
}

fn page_of(visit: BoxedFilter<(Visit,)>) -> BoxedFilter<(Visit, Page)> {
    visit
        .and_then(async |mut visit: Visit| match visit.open_page() {
            Ok(page) => Ok((visit, page)),
            Err(error) => Err(reject(visit.failed(error))),
        })
        .untuple_one()
        .boxed()
}

/// Responds to a POST with the id of a new page, as JSON.
pub(crate) fn open_page(shared: &Arc<ServerShared>) -> WsFilter {
    warp::post()
        .and(page_of(visits(shared, AfterLogon::Refuse)))
        .map(|visit: Visit, page: Page| {
            let json =
                warp::reply::with_header(page.announcement(), "content-type", "application/json");
            visit.reply(warp::reply::with_header(json, "cache-control", "no-store"))
        })
        .boxed()
}
