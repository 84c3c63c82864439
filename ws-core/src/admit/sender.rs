//! Step 3: the site whose page sent the request (RFC 6455, section 10.2).

use std::fmt;

use http::header;

use super::allowed::{allows_any, allows_null, in_server_list, is_listed};
use super::{Client, Door, Host, Origin, Policy, Request, Scheme, only};
use crate::error::Refusal;

/// The longest origin that a log line shows, in characters.
const SHOWN: usize = 120;

/// Checks that the origin of a request may use the route. A request without `Origin` does not come
/// from a browser, and passes. Returns whether the request comes from another site and passed only
/// because the route allows every origin, or the origin `null`.
///
/// # Errors
///
/// 400 if there is not exactly one usable `Host` (RFC 9112, section 3.2); 403 if the origin is not
/// allowed.
pub(super) fn check(
    door: Door,
    request: &Request<'_>,
    client: &Client,
    policy: &Policy,
) -> Result<bool, Refusal> {
    let own = Own::of(request, client, policy)?;
    match Sender::of(request, &own, |origin| is_listed(origin, door, policy)) {
        Sender::NoPage | Sender::Friend => Ok(false),
        Sender::Stranger(_) if allows_any(door, policy) => Ok(true),
        Sender::Null if allows_null(door, policy) => Ok(true),
        Sender::Null => {
            Shown::Nothing("null").log(Some(door.name), &own, policy);
            Err(refused())
        }
        Sender::Stranger(shown) => {
            shown.log(Some(door.name), &own, policy);
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
/// 403 if the origin is neither the server's own nor in [`Policy::origins`]; 400 if that cannot be
/// decided, because there is no usable `Host`.
pub fn same_site(request: &Request<'_>, client: &Client, policy: &Policy) -> Result<(), Refusal> {
    let passes = match request.headers.get(header::ORIGIN) {
        None => !fetched_from(request, "cross-site"),
        Some(origin) => origin == "null" && fetched_from(request, "same-origin"),
    };
    if passes {
        return Ok(());
    }
    let own = Own::of(request, client, policy)?;
    let shown = match Sender::of(request, &own, |origin| in_server_list(origin, policy)) {
        Sender::Friend => return Ok(()),
        Sender::NoPage => Shown::Nothing("(none, but cross-site)"),
        Sender::Null => Shown::Nothing("null"),
        Sender::Stranger(shown) => shown,
    };
    shown.log(None, &own, policy);
    Err(Refusal::FORBIDDEN.body("requests from pages of this origin are not accepted"))
}

fn refused() -> Refusal {
    Refusal::FORBIDDEN.body("connections from this origin are not accepted")
}

/// Whether the browser itself reports this relation to the page (Fetch Metadata); no page can set
/// the header.
fn fetched_from(request: &Request<'_>, site: &str) -> bool {
    let mut said = request.headers.get_all("sec-fetch-site").iter();
    said.any(|value| value.as_bytes().eq_ignore_ascii_case(site.as_bytes()))
}

/// The server's own site, as the sender of the request sees it.
enum Own<'a> {
    /// The configured public URL.
    Url(&'a Origin),
    /// The host to which the request was sent.
    Asked(Option<Scheme>, Host),
}

impl<'a> Own<'a> {
    fn of(request: &Request<'_>, client: &Client, policy: &'a Policy) -> Result<Self, Refusal> {
        let asked = host(request)?;
        if let Some(url) = &policy.public_url {
            return Ok(Self::Url(url));
        }
        let Host { name, port } = client.host.clone().unwrap_or(asked);
        let port = port.or(client.port);
        Ok(Self::Asked(client.scheme, Host { name, port }))
    }

    fn is(&self, origin: &Origin) -> bool {
        match self {
            Self::Url(url) => origin == *url,
            Self::Asked(scheme, host) => origin.is_of(*scheme, host),
        }
    }
}

impl fmt::Display for Own<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(url) => url.fmt(f),
            Self::Asked(Some(scheme), host) => write!(f, "{}://{host}", scheme.as_str()),
            Self::Asked(None, host) => host.fmt(f),
        }
    }
}

/// The host that the request was sent to.
fn host(request: &Request<'_>) -> Result<Host, Refusal> {
    let header = only(request.headers, &header::HOST)
        .map_err(|_| Refusal::BAD_REQUEST.body("the header `Host` stands more than once"))?;
    let text = match (request.uri.authority(), header) {
        (Some(authority), _) => Some(authority.as_str()),
        (None, Some(value)) => value.to_str().ok(),
        (None, None) => {
            return Err(Refusal::BAD_REQUEST.body("the header `Host` is missing"));
        }
    };
    let host = text.and_then(Host::parse);
    host.ok_or_else(|| Refusal::BAD_REQUEST.body("the header `Host` is no host"))
}

/// The page that sent a request.
enum Sender {
    /// No page: there is no `Origin`.
    NoPage,
    /// A page of the server's own origin, or of a listed one.
    Friend,
    /// A page with the origin `null`, from any site.
    Null,
    /// A page of another site.
    Stranger(Shown),
}

impl Sender {
    fn of(request: &Request<'_>, own: &Own<'_>, is_listed: impl Fn(&Origin) -> bool) -> Self {
        if !request.headers.contains_key(header::ORIGIN) {
            return Self::NoPage;
        }
        let value = only(request.headers, &header::ORIGIN).ok().flatten();
        let text = value.and_then(|value| value.to_str().ok());
        match text.and_then(|text| text.parse::<Origin>().ok()) {
            Some(origin) if own.is(&origin) || is_listed(&origin) => Self::Friend,
            Some(origin) => Self::Stranger(Shown::Origin(origin)),
            None if text == Some("null") => Self::Null,
            // It may contain anything, even a password.
            None => Self::Stranger(Shown::Nothing("(unreadable)")),
        }
    }
}

/// The origin as a log line shows it.
enum Shown {
    Origin(Origin),
    /// A fixed text for a value that is not an origin.
    Nothing(&'static str),
}

impl Shown {
    /// Logs both origins and the option to set: behind a proxy, the server refuses even pages of
    /// its own site until its public URL is configured. `route` is `None` for an HTTP endpoint.
    fn log(&self, route: Option<&'static str>, own: &Own<'_>, policy: &Policy) {
        let own: String = own.to_string().chars().take(SHOWN).collect();
        let origin = match self {
            Self::Nothing(origin) => {
                tracing::debug!(route, origin, own, "refused without an origin of its own");
                return;
            }
            Self::Origin(origin) => origin.to_string(),
        };
        let origin: String = origin.chars().take(SHOWN).collect();
        let Some(refused) = policy.notices.origins.count() else {
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
