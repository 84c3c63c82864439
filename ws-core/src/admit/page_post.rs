//! Admission of the POSTs of a page stream over HTTP: steps 3 to 5 for a request that opens no
//! WebSocket connection.

use http::{HeaderMap, HeaderValue, StatusCode, Uri, header};

use super::visitor::{find, required_visitor, starting};
use super::{
    AdmissionPolicy, Client, QueryParameter, Request, RouteAccess, VisitorLookup, client,
    parameter, permit, request_origin,
};
use crate::error::Refusal;
use crate::extract::{Admitted, Handshake, Params, ResponseHeaders, Visitor};
use crate::hub::{Hub, Permit};
use crate::page::{FormOfId, PAGE_PROTOCOL, form_of};
use crate::route::Route;

/// A POST whose origin, session and page are known.
#[derive(Debug)]
pub struct AdmittedPost {
    client: Client,
    visitor: Visitor,
}

/// Checks the origin, the session and the page of a POST to a page stream.
///
/// It is stricter than a handshake: the origin is required, and the id of the page must be in the
/// query, where no other site can put it.
///
/// # Errors
///
/// 400 if the query has no page, or more than one, or if there is no usable `Host`; 403 if the
/// origin may not connect, or if there is no live session with this page; 405 for a page without a
/// session; 503 if the hub is not [ready](Hub::is_ready) or the session store is not available.
pub async fn admit_page_post(
    hub: &Hub,
    policy: &AdmissionPolicy,
    route: &Route,
    request: &Request<'_>,
) -> Result<AdmittedPost, Refusal> {
    let access = RouteAccess::from(route);
    let client = client(request, policy)?;
    let in_query = parameter(request.uri, hub.sessions().page_parameter());
    if access.lookup() == Some(VisitorLookup::AnyPage) && is_anonymous(in_query) {
        return Err(only_sessions());
    }
    request_origin::check_post(access, request, &client, policy)?;
    if !hub.is_ready() {
        return Err(starting());
    }
    if !matches!(in_query, QueryParameter::Once(_)) {
        return Err(Refusal::BAD_REQUEST.body("the query must contain the id of the page once"));
    }
    let found = find(hub, request, client.is_secure(), false).await;
    let found = found.inspect_err(|error| {
        policy.request_log.no_session(error, client.address());
    });
    // Over HTTP, only pages of sessions are served.
    let found = required_visitor(access.name, Some(VisitorLookup::Page), found)?;
    Ok(AdmittedPost {
        client,
        visitor: found.visitor,
    })
}

/// Whether the client has a page without a session, or wants one.
fn is_anonymous(in_query: QueryParameter<'_>) -> bool {
    match in_query {
        QueryParameter::Absent => true,
        QueryParameter::Once(id) => form_of(id) == Some(FormOfId::Anonymous),
        QueryParameter::Repeated => false,
    }
}

/// The client may return to a WebSocket: a 400 or a 403 would end its page.
fn only_sessions() -> Refusal {
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED)
        .header(header::ALLOW, HeaderValue::from_static("GET"))
        .body("only pages of sessions are served over HTTP")
}

impl AdmittedPost {
    /// The client of the request, as far as it is known.
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// The session and the page.
    pub const fn visitor(&self) -> &Visitor {
        &self.visitor
    }

    /// Takes a permit among the server's connections, for a POST that opens a stream. The permit is
    /// returned separately, because the response of the POST may outlive its connection.
    ///
    /// # Errors
    ///
    /// 503 if the server is closing or full, 429 if the address has reached its limit.
    pub fn open(
        self,
        hub: &Hub,
        uri: Uri,
        headers: HeaderMap,
        params: Params,
    ) -> Result<(Admitted, Permit), Refusal> {
        let Self { client, visitor } = self;
        let permit = permit(&client, hub.is_shutting_down(), |client| {
            hub.take_permit(client.address(), client.owner())
        })?;
        let admitted = Admitted {
            handshake: Handshake {
                uri,
                headers,
                peer: client.peer,
                counted_address: client.counted_address(),
                protocol: Some(PAGE_PROTOCOL.to_owned()),
                params,
                visitor,
                resume: None,
                response: ResponseHeaders::default(),
            },
            permit: None,
            // The lines of the response are not frames.
            deflate: None,
        };
        Ok((admitted, permit))
    }
}
