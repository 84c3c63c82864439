//! Step 3: the site whose page sent the request (RFC 6455, section 10.2).

use std::fmt;

use http::header;

use super::allowed::{allows_any, allows_null, in_server_list, is_listed};
use super::{AdmissionPolicy, Client, Host, Origin, Request, RouteAccess, Scheme, single_value};
use crate::error::Refusal;

/// The longest origin that a log line shows, in characters.
const MAX_LOGGED_CHARS: usize = 120;

/// Checks that the origin of a request may use the route. A request without `Origin` does not come
/// from a browser, and passes. Returns whether the request comes from another site and passed only
/// because the route allows every origin, or the origin `null`.
///
/// # Errors
///
/// 400 if there is not exactly one usable `Host` (RFC 9112, section 3.2); 403 if the origin is not
/// allowed.
pub(super) fn check(
    access: RouteAccess,
    request: &Request<'_>,
    client: &Client,
    policy: &AdmissionPolicy,
) -> Result<bool, Refusal> {
    let own = ServerOrigin::of(request, client, policy)?;
    match RequestOrigin::of(request, &own, |origin| is_listed(origin, access, policy)) {
        RequestOrigin::Absent | RequestOrigin::Allowed => Ok(false),
        RequestOrigin::Foreign(_) if allows_any(access, policy) => Ok(true),
        RequestOrigin::Null if allows_null(access, policy) => Ok(true),
        RequestOrigin::Null => {
            LoggedOrigin::Placeholder("null").log(Some(access.name), &own, policy);
            Err(refused())
        }
        RequestOrigin::Foreign(logged) => {
            logged.log(Some(access.name), &own, policy);
            Err(refused())
        }
    }
}

/// Checks that a request to an HTTP endpoint, such as a logon, comes from a page of this site. It
/// is for requests that act with a visitor's cookies and are not WebSocket handshakes.
///
/// A request without `Origin` passes unless the browser sends `Sec-Fetch-Site: cross-site`. A
/// request with the origin `null`, because its page sends no referrer, passes if the browser sends
/// `Sec-Fetch-Site: same-origin`. [`AllowedOrigins::Any`](super::AllowedOrigins::Any) and `null` in
/// a list apply only to routes; here they mean the server's own origin.
///
/// # Errors
///
/// 403 if the origin is neither the server's own nor in [`AdmissionPolicy::origins`]; 400 if that
/// cannot be decided, because there is no usable `Host`.
pub fn same_site(
    request: &Request<'_>,
    client: &Client,
    policy: &AdmissionPolicy,
) -> Result<(), Refusal> {
    let passes = match request.headers.get(header::ORIGIN) {
        None => !fetched_from(request, "cross-site"),
        Some(origin) => origin == "null" && fetched_from(request, "same-origin"),
    };
    if passes {
        return Ok(());
    }
    let own = ServerOrigin::of(request, client, policy)?;
    let logged = match RequestOrigin::of(request, &own, |origin| in_server_list(origin, policy)) {
        RequestOrigin::Allowed => return Ok(()),
        RequestOrigin::Absent => LoggedOrigin::Placeholder("(none, but cross-site)"),
        RequestOrigin::Null => LoggedOrigin::Placeholder("null"),
        RequestOrigin::Foreign(logged) => logged,
    };
    logged.log(None, &own, policy);
    Err(Refusal::FORBIDDEN.body("requests from pages of this origin are not accepted"))
}

/// Checks that a POST of a page stream comes from a page of this site, or of a listed one. Browsers
/// send `Origin` with every POST, so a request without it is refused. Neither `origins: any` nor
/// `null` in a list applies: unlike a handshake, a POST carries no other sign of the page's intent.
///
/// # Errors
///
/// As of [`check`].
pub(super) fn check_post(
    access: RouteAccess,
    request: &Request<'_>,
    client: &Client,
    policy: &AdmissionPolicy,
) -> Result<(), Refusal> {
    let own = ServerOrigin::of(request, client, policy)?;
    let logged = match RequestOrigin::of(request, &own, |_| false) {
        // A page of another scheme on the same host is of another site; only the browser knows.
        RequestOrigin::Allowed if is_fetch_site_absent(request) => return Ok(()),
        RequestOrigin::Allowed | RequestOrigin::Null if fetched_from(request, "same-origin") => {
            return Ok(());
        }
        RequestOrigin::Allowed => LoggedOrigin::Placeholder("(own, but of another site)"),
        RequestOrigin::Null => LoggedOrigin::Placeholder("null"),
        RequestOrigin::Absent => {
            return Err(
                Refusal::FORBIDDEN.body("the header `Origin` is missing; browsers always send it")
            );
        }
        RequestOrigin::Foreign(logged) => {
            let is_listed = |origin: &Origin| is_listed(origin, access, policy);
            match RequestOrigin::of(request, &own, is_listed) {
                RequestOrigin::Allowed => return Ok(()),
                _ => logged,
            }
        }
    };
    logged.log(Some(access.name), &own, policy);
    Err(refused())
}

fn refused() -> Refusal {
    Refusal::FORBIDDEN.body("connections from this origin are not accepted")
}

/// Whether the browser itself reports this relation to the page (Fetch Metadata); no page can set
/// the header.
fn fetched_from(request: &Request<'_>, site: &str) -> bool {
    let mut values = request.headers.get_all("sec-fetch-site").iter();
    values.any(|value| value.as_bytes().eq_ignore_ascii_case(site.as_bytes()))
}

/// Whether the browser reports no relation to the page: it is older than 2023, or the request does
/// not come from a browser.
fn is_fetch_site_absent(request: &Request<'_>) -> bool {
    !request.headers.contains_key("sec-fetch-site")
}

/// The server's own site, as the sender of the request sees it.
enum ServerOrigin<'a> {
    /// The configured public URL.
    Configured(&'a Origin),
    /// The host to which the request was sent.
    Requested(Option<Scheme>, Host),
}

impl<'a> ServerOrigin<'a> {
    fn of(
        request: &Request<'_>,
        client: &Client,
        policy: &'a AdmissionPolicy,
    ) -> Result<Self, Refusal> {
        let asked = host(request)?;
        if let Some(url) = &policy.public_url {
            return Ok(Self::Configured(url));
        }
        let Host { name, port } = client.host.clone().unwrap_or(asked);
        let port = port.or(client.port);
        Ok(Self::Requested(client.scheme, Host { name, port }))
    }

    fn is(&self, origin: &Origin) -> bool {
        match self {
            Self::Configured(url) => origin == *url,
            Self::Requested(scheme, host) => origin.is_of(*scheme, host),
        }
    }
}

impl fmt::Display for ServerOrigin<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Configured(url) => url.fmt(f),
            Self::Requested(Some(scheme), host) => write!(f, "{}://{host}", scheme.as_str()),
            Self::Requested(None, host) => host.fmt(f),
        }
    }
}

/// The host that the request was sent to.
fn host(request: &Request<'_>) -> Result<Host, Refusal> {
    let header = single_value(request.headers, &header::HOST)
        .map_err(|_| Refusal::BAD_REQUEST.body("the header `Host` appears more than once"))?;
    let text = match (request.uri.authority(), header) {
        (Some(authority), _) => Some(authority.as_str()),
        (None, Some(value)) => value.to_str().ok(),
        (None, None) => {
            return Err(Refusal::BAD_REQUEST.body("the header `Host` is missing"));
        }
    };
    let host = text.and_then(Host::parse);
    host.ok_or_else(|| Refusal::BAD_REQUEST.body("the header `Host` is not a valid host"))
}

/// The page that sent a request.
enum RequestOrigin {
    /// No page: there is no `Origin`.
    Absent,
    /// A page of the server's own origin, or of a listed one.
    Allowed,
    /// A page with the origin `null`, from any site.
    Null,
    /// A page of another site.
    Foreign(LoggedOrigin),
}

impl RequestOrigin {
    fn of(
        request: &Request<'_>,
        own: &ServerOrigin<'_>,
        is_listed: impl Fn(&Origin) -> bool,
    ) -> Self {
        if !request.headers.contains_key(header::ORIGIN) {
            return Self::Absent;
        }
        let value = single_value(request.headers, &header::ORIGIN)
            .ok()
            .flatten();
        let text = value.and_then(|value| value.to_str().ok());
        match text.and_then(|text| text.parse::<Origin>().ok()) {
            Some(origin) if own.is(&origin) || is_listed(&origin) => Self::Allowed,
            Some(origin) => Self::Foreign(LoggedOrigin::Origin(origin)),
            None if text == Some("null") => Self::Null,
            // It may contain anything, even a password.
            None => Self::Foreign(LoggedOrigin::Placeholder("(unreadable)")),
        }
    }
}

/// The origin as a log line shows it.
enum LoggedOrigin {
    Origin(Origin),
    /// A fixed text for a value that is not an origin.
    Placeholder(&'static str),
}

impl LoggedOrigin {
    /// Logs both origins and the option to set: behind a proxy, the server refuses even pages of
    /// its own site until its public URL is configured. `route` is `None` for an HTTP endpoint.
    fn log(&self, route: Option<&'static str>, own: &ServerOrigin<'_>, policy: &AdmissionPolicy) {
        policy.request_log.count_origin();
        let own: String = own.to_string().chars().take(MAX_LOGGED_CHARS).collect();
        let origin = match self {
            Self::Placeholder(origin) => {
                tracing::debug!(
                    route,
                    origin,
                    own,
                    "origin refused: it is absent, `null` or unreadable"
                );
                return;
            }
            Self::Origin(origin) => origin.to_string(),
        };
        let origin: String = origin.chars().take(MAX_LOGGED_CHARS).collect();
        let Some(refused) = policy.request_log.origins.count() else {
            tracing::debug!(route, origin, own, "origin refused");
            return;
        };
        tracing::warn!(
            route,
            origin,
            own,
            refused,
            "origin refused; if its pages may connect, name it in the option `origins` of the route \
             or of the server; if it is this server behind a proxy, set `public_url`, or name the \
             proxy in `trusted_proxies`"
        );
    }
}
