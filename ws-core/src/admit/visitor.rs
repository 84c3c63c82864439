//! Step 4: the visitor. Also runs all steps in order.

use http::{StatusCode, Uri};

use super::{
    Admission, AdmissionPolicy, CheckedRequest, Request, RouteAccess, VisitorLookup, check_request,
};
use crate::error::Refusal;
use crate::extract::Visitor;
use crate::hub::{Hub, Permit};
use crate::page::{FormOfId, FreshPage, NoPage, Page, form_of};
use crate::route::Route;
use crate::session::{NoSession, SessionError, cookies};

/// Runs steps 2 to 6 for a request to a route of this hub's server.
///
/// # Errors
///
/// Returns the refusal of the first step that fails.
pub async fn admit(
    hub: &Hub,
    policy: &AdmissionPolicy,
    route: &Route,
    request: &Request<'_>,
) -> Result<Admission<Permit>, Refusal> {
    let checked = check_request(RouteAccess::from(route), request, policy)?;
    if !hub.is_ready() {
        return Err(starting());
    }
    hub.admit_handshake()?;
    #[cfg(feature = "cluster")]
    if checked.lookup().is_some() && hub.has_failed_closed() {
        return Err(Refusal::unavailable("the server cannot reach its cluster"));
    }
    let found = visitor(hub, request, &checked).await;
    let found = found.inspect_err(|error| {
        policy
            .request_log
            .no_session(error, checked.client.address());
    });
    let identified = checked.identify(found)?;
    let mut admission = identified.admit(hub.is_shutting_down(), |client| {
        hub.take_permit(client.address(), client.owner())
    })?;
    if let Some(fresh) = admission.fresh {
        // Last, so that a refused request issues none.
        let page = hub.issue_anonymous_page(admission.client.counted_address(), fresh)?;
        admission.visitor.page = Some(page);
    }
    Ok(admission)
}

/// 503 until the hub has read the log that it shares with other servers.
pub(super) fn starting() -> Refusal {
    Refusal::unavailable("the server is starting")
}

/// The result of a look-up, and the reason if something is missing.
#[derive(Clone, Debug, Default)]
pub struct FoundVisitor {
    /// The session and the page.
    pub visitor: Visitor,
    /// The first of the two that is missing; `None` if none is missing, or if neither was looked
    /// up.
    pub missing: Option<MissingVisitor>,
    /// Set if the client gets a fresh page without a session.
    pub fresh: Option<FreshPage>,
}

impl From<Visitor> for FoundVisitor {
    fn from(visitor: Visitor) -> Self {
        Self {
            visitor,
            ..Self::default()
        }
    }
}

impl From<MissingVisitor> for FoundVisitor {
    fn from(missing: MissingVisitor) -> Self {
        Self {
            missing: Some(missing),
            ..Self::default()
        }
    }
}

impl From<FreshPage> for FoundVisitor {
    fn from(fresh: FreshPage) -> Self {
        Self {
            fresh: Some(fresh),
            ..Self::default()
        }
    }
}

/// Why a request has no session or no page.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MissingVisitor {
    /// There is no session.
    #[error(transparent)]
    Session(#[from] NoSession),
    /// There is a session, but no page of it.
    #[error(transparent)]
    Page(#[from] NoPage),
    /// A page of another site sent the request, and only its cookies name the session.
    #[error(
        "the request comes from a page of another site, and its query has no page id of the session"
    )]
    Proof,
}

impl MissingVisitor {
    /// The status of the response on a route that requires a session or a page: 403, or that of
    /// [`NoPage`].
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::Page(none) => none.status(),
            Self::Session(_) | Self::Proof => StatusCode::FORBIDDEN,
        }
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
    checked: &CheckedRequest,
) -> Result<FoundVisitor, SessionError> {
    match checked.lookup() {
        None => Ok(FoundVisitor::default()),
        Some(VisitorLookup::AnyPage) => any_page(hub, request, checked).await,
        Some(VisitorLookup::Optional | VisitorLookup::Session | VisitorLookup::Page) => {
            let secure = checked.client().is_secure();
            find(hub, request, secure, checked.cross_site()).await
        }
    }
}

/// The visitor of a route that also takes pages without a session.
///
/// Only an id in the query counts here. Anyone can get an id of a page without a session, also a
/// page of another site; so such an id proves nothing, and no cookie is read with it.
async fn any_page(
    hub: &Hub,
    request: &Request<'_>,
    checked: &CheckedRequest,
) -> Result<FoundVisitor, SessionError> {
    let id = match parameter(request.uri, hub.sessions().page_parameter()) {
        QueryParameter::Once(id) => id,
        QueryParameter::Absent => return Ok(FreshPage::First.into()),
        QueryParameter::Repeated => return Ok(MissingVisitor::from(NoPage::Repeated).into()),
    };
    match form_of(id) {
        Some(FormOfId::OfSession) => {
            let secure = checked.client().is_secure();
            find(hub, request, secure, checked.cross_site()).await
        }
        Some(FormOfId::Anonymous) => Ok(match hub.identify_anonymous_page(id) {
            Ok(page) => FoundVisitor::from(Visitor {
                session: None,
                page: Some(page),
            }),
            Err(NoPage::Foreign | NoPage::Old) => FreshPage::Replacement.into(),
            Err(none) => MissingVisitor::from(none).into(),
        }),
        None => Ok(MissingVisitor::from(NoPage::Malformed).into()),
    }
}

/// Looks up the visitor. If `is_proof_needed`, cookies alone prove nothing.
///
/// # Errors
///
/// The error of the session store.
pub(super) async fn find(
    hub: &Hub,
    request: &Request<'_>,
    secure: bool,
    is_proof_needed: bool,
) -> Result<FoundVisitor, SessionError> {
    let sessions = hub.sessions();
    let in_query = parameter(request.uri, sessions.page_parameter());
    if is_proof_needed && in_query == QueryParameter::Absent {
        return Ok(MissingVisitor::Proof.into());
    }
    let session = match sessions.identify(request.headers, secure).await? {
        Ok(session) => session,
        Err(none) => return Ok(MissingVisitor::from(none).into()),
    };
    let page = match in_query {
        QueryParameter::Once(id) => hub.identify_page(&session, id),
        QueryParameter::Repeated => Err(NoPage::Repeated),
        QueryParameter::Absent => cookies::value(request.headers, sessions.page_cookie(secure))
            .ok_or(NoPage::NoId)
            .and_then(|id| hub.identify_page(&session, id)),
    };
    // A page from before a logon does not count either: a previous user of the session may know its
    // id.
    if is_proof_needed && page.as_ref().map_or(true, Page::predates_logon) {
        return Ok(MissingVisitor::Proof.into());
    }
    let missing = page.as_ref().err().copied().map(MissingVisitor::from);
    let visitor = Visitor {
        session: Some(session),
        page: page.ok(),
    };
    Ok(FoundVisitor {
        missing,
        ..FoundVisitor::from(visitor)
    })
}

/// The visitor that was found, if the route requires no more.
///
/// # Errors
///
/// 403 if a required session or page is missing, or the status of [`NoPage`]; 503 if the store is not
/// available.
pub(super) fn required_visitor(
    route: &'static str,
    lookup: Option<VisitorLookup>,
    found: Result<impl Into<FoundVisitor>, SessionError>,
) -> Result<FoundVisitor, Refusal> {
    let found = found
        .map(Into::into)
        .map_err(|_| Refusal::unavailable("sessions are temporarily unavailable"))?;
    let (visitor, is_fresh) = (&found.visitor, found.fresh.is_some());
    let needs = match lookup {
        Some(VisitorLookup::Session | VisitorLookup::Page) if visitor.session.is_none() => {
            Some("session")
        }
        Some(VisitorLookup::Page) if visitor.page.is_none() => Some("page"),
        Some(VisitorLookup::AnyPage) if visitor.page.is_none() && !is_fresh => Some("page"),
        _ => None,
    };
    if let Some(needs) = needs {
        let missing = found.missing;
        let missing = missing.unwrap_or(MissingVisitor::Session(NoSession::NoCookie));
        tracing::debug!(
            route,
            missing = needs,
            why = %missing,
            "the session or page that the route requires is missing"
        );
        let body = format!("this endpoint requires a {needs} of this site: {missing}");
        return Err(Refusal::new(missing.status()).body(body));
    }
    Ok(found)
}

/// How often a parameter appears in a query.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum QueryParameter<'u> {
    /// Not at all.
    Absent,
    /// Once, with this value.
    Once(&'u str),
    /// Several times.
    Repeated,
}

/// Finds a parameter of the query. Ids have no characters that need escaping.
pub fn parameter<'u>(uri: &'u Uri, name: &str) -> QueryParameter<'u> {
    let pairs = uri.query().unwrap_or_default().split('&');
    let mut values = pairs.filter_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    match (values.next(), values.next()) {
        (None, _) => QueryParameter::Absent,
        (Some(value), None) => QueryParameter::Once(value),
        (Some(_), Some(_)) => QueryParameter::Repeated,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_parameter_is_absent_present_once_or_repeated() {
        let find = |uri: &'static str| {
            let uri = Uri::from_static(uri);
            format!("{:?}", parameter(&uri, "z_pid"))
        };
        assert_eq!(find("/"), "Absent");
        assert_eq!(find("/?z_pids=1&xz_pid=2&z_pid"), "Absent");
        assert_eq!(find("/?a=1&z_pid=x-_y"), "Once(\"x-_y\")");
        assert_eq!(find("/?z_pid="), "Once(\"\")");
        assert_eq!(find("/?z_pid=1&z_pid=1"), "Repeated");
    }
}
