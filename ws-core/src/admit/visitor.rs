//! Step 4: the visitor. Also runs all steps in order.

use http::{StatusCode, Uri};

use super::{Door, Entry, Knock, Policy, Request, knock};
use crate::error::Refusal;
use crate::extract::Visitor;
use crate::hub::{Hub, Permit};
use crate::page::{NoPage, Page};
use crate::route::Route;
use crate::session::{NoSession, SessionError, cookies};

/// Runs steps 2 to 6 for a request to a route of this hub's server.
///
/// # Errors
///
/// Returns the refusal of the first step that fails.
pub async fn admit(
    hub: &Hub,
    policy: &Policy,
    route: &Route,
    request: &Request<'_>,
) -> Result<Entry<Permit>, Refusal> {
    let knock = knock(Door::from(route), request, policy)?;
    let found = visitor(hub, request, &knock).await;
    let found = found.inspect_err(|error| policy.notices.no_session(error, knock.client.address()));
    knock
        .identify(found)?
        .enter(hub.is_shutting_down(), |client| {
            hub.admit(client.address(), client.holder())
        })
}

/// The result of a look-up, and the reason if something is missing.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// The session and the page.
    pub visitor: Visitor,
    /// The first of the two that is missing; `None` if none is missing, or if neither was looked
    /// up.
    pub missing: Option<Missing>,
}

impl From<Visitor> for Found {
    fn from(visitor: Visitor) -> Self {
        let missing = None;
        Self { visitor, missing }
    }
}

impl From<Missing> for Found {
    fn from(missing: Missing) -> Self {
        Self {
            visitor: Visitor::default(),
            missing: Some(missing),
        }
    }
}

/// Why a request has no session or no page.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Missing {
    /// There is no session.
    #[error(transparent)]
    Session(#[from] NoSession),
    /// There is a session, but no page of it.
    #[error(transparent)]
    Page(#[from] NoPage),
    /// A page of another site sent the request, and only its cookies name the session.
    #[error("it comes from a page of another site, without a page id of its session in the query")]
    Proof,
}

impl Missing {
    /// The status of the response on a route that requires a session or a page: 403.
    pub const fn status(&self) -> StatusCode {
        StatusCode::FORBIDDEN
    }
}

/// Looks up the visitor if the route or its handler needs one. It never begins a session.
///
/// The page comes from the query or, if the query has none, from the cookie. A request from another
/// site, which only `origins: any` admits, is anonymous unless its query names a page that was
/// issued since the last logon: browsers send cookies for pages of any site, so cookies alone prove
/// nothing.
///
/// # Errors
///
/// The error of the session store.
pub async fn visitor(
    hub: &Hub,
    request: &Request<'_>,
    knock: &Knock,
) -> Result<Found, SessionError> {
    if knock.wanted().is_none() {
        return Ok(Found::default());
    }
    let sessions = hub.sessions();
    let in_query = parameter(request.uri, sessions.page_parameter());
    let is_proof_needed = knock.cross_site();
    if is_proof_needed && in_query == Named::Nowhere {
        return Ok(Missing::Proof.into());
    }
    let secure = knock.client().is_secure();
    let session = match sessions.identify(request.headers, secure).await? {
        Ok(session) => session,
        Err(none) => return Ok(Missing::from(none).into()),
    };
    let page = match in_query {
        Named::Once(id) => hub.identify_page(&session, id),
        Named::Again => Err(NoPage::Several),
        Named::Nowhere => cookies::value(request.headers, sessions.page_cookie(secure))
            .ok_or(NoPage::NoId)
            .and_then(|id| hub.identify_page(&session, id)),
    };
    // A page from before a logon does not count either: a previous user of the session may know its
    // id.
    if is_proof_needed && page.as_ref().map_or(true, Page::is_former) {
        return Ok(Missing::Proof.into());
    }
    let missing = page.as_ref().err().copied().map(Missing::from);
    let visitor = Visitor {
        session: Some(session),
        page: page.ok(),
    };
    Ok(Found { visitor, missing })
}

/// How often a parameter appears in a query.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Named<'u> {
    Nowhere,
    Once(&'u str),
    Again,
}

/// Finds a parameter of the query. Ids have no characters that need escaping.
fn parameter<'u>(uri: &'u Uri, name: &str) -> Named<'u> {
    let pairs = uri.query().unwrap_or_default().split('&');
    let mut values = pairs.filter_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    match (values.next(), values.next()) {
        (None, _) => Named::Nowhere,
        (Some(value), None) => Named::Once(value),
        (Some(_), Some(_)) => Named::Again,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_of_the_query_is_there_once_or_not_at_all() {
        let find = |uri: &'static str| {
            let uri = Uri::from_static(uri);
            format!("{:?}", parameter(&uri, "z_pid"))
        };
        assert_eq!(find("/"), "Nowhere");
        assert_eq!(find("/?z_pids=1&xz_pid=2&z_pid"), "Nowhere");
        assert_eq!(find("/?a=1&z_pid=x-_y"), "Once(\"x-_y\")");
        assert_eq!(find("/?z_pid="), "Once(\"\")");
        assert_eq!(find("/?z_pid=1&z_pid=1"), "Again");
    }
}
