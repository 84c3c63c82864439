//! Step 4: who is at the other end; and all steps in a row.

use http::Uri;

use super::{Door, Entry, Knock, Policy, Request, knock};
use crate::error::Refusal;
use crate::extract::Visitor;
use crate::hub::{Hub, Slot};
use crate::page::Page;
use crate::route::Route;
use crate::session::{SessionError, cookies};

/// Steps 2 to 6 for a request to a route of this hub's server.
///
/// # Errors
///
/// The refusal of the first step that refuses.
pub async fn admit(
    hub: &Hub,
    policy: &Policy,
    route: &Route,
    request: &Request<'_>,
) -> Result<Entry<Slot>, Refusal> {
    let knock = knock(Door::from(route), request, policy)?;
    let visitor = visitor(hub, request, &knock).await;
    knock
        .identify(visitor)?
        .enter(hub.is_shutting_down(), |client| {
            hub.admit(client.address(), client.forwarded)
        })
}

/// Looks up who sent a request, as far as its route wants to know; it begins no session.
///
/// The page comes from the query or, where that names none, from the cookie. A request
/// from a foreign site, which only `origins: any` has let in, is anonymous unless it names
/// a page in its query that was issued since the last logon: cookies alone a browser sends
/// for any page on the web.
///
/// # Errors
///
/// What the store may say.
pub async fn visitor(
    hub: &Hub,
    request: &Request<'_>,
    knock: &Knock,
) -> Result<Visitor, SessionError> {
    let sessions = hub.sessions();
    let in_query = parameter(request.uri, sessions.page_parameter());
    let is_proof_needed = knock.cross_site();
    if knock.wanted().is_none() || (is_proof_needed && in_query == Named::Nowhere) {
        return Ok(Visitor::default());
    }
    let secure = knock.client().is_secure();
    let Some(session) = sessions.find(request.headers, secure).await? else {
        return Ok(Visitor::default());
    };
    let named = match in_query {
        Named::Once(id) => Some(id),
        Named::Again => None,
        Named::Nowhere => cookies::value(request.headers, sessions.page_cookie(secure)),
    };
    let page = named.and_then(|id| hub.find_page(&session, id));
    // Nor does one that whoever had the session before a logon may know.
    if is_proof_needed && page.as_ref().is_none_or(Page::is_former) {
        return Ok(Visitor::default());
    }
    let session = Some(session);
    Ok(Visitor { session, page })
}

/// How often a parameter stands in a query.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Named<'u> {
    Nowhere,
    Once(&'u str),
    Again,
}

/// A parameter of the query. Ids have no characters that are escaped.
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
