//! The origins that may connect in addition to the server's own.

use std::fmt;
use std::str::FromStr;

use super::{AdmissionPolicy, Origin, RouteAccess};
use crate::route::Origins;

/// The origins that may connect if a route does not name any.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum AllowedOrigins {
    /// Only the server's own origin.
    #[default]
    Same,
    /// Every origin, on routes that require no session. Routes that require one trust cookies, and
    /// allow only the server's own origin unless they have `origins: any` themselves.
    Any,
    /// The server's own origin and these.
    Listed(Vec<AllowedOrigin>),
}

/// An entry in a list of origins: `https://example.com`, `https://*.preview.example`, `file://` or
/// `null`.
///
/// ```
/// use ws_core::admit::{AllowedOrigin, AllowedOriginError};
///
/// let preview: AllowedOrigin = "https://*.preview.example".parse()?;
/// assert!(preview.allows(&"https://pr-7.preview.example".parse().unwrap()));
/// assert!(!preview.allows(&"https://preview.example".parse().unwrap()));
/// assert!(!preview.allows(&"https://a.b.preview.example".parse().unwrap()));
/// let too_wide = "https://*.example".parse::<AllowedOrigin>();
/// assert_eq!(too_wide, Err(AllowedOriginError::TopLevel));
/// # Ok::<(), AllowedOriginError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum AllowedOrigin {
    /// This origin.
    Exact(Origin),
    /// Every origin with exactly one label before the host of this one.
    OneLabelBelow(Origin),
    /// `null`, the origin of sandboxed frames and of some `WebView`s. Pages of any site can have
    /// it.
    Null,
}

/// A string that is neither an origin nor a pattern of origins.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AllowedOriginError {
    /// The string is not an origin.
    #[error("not an origin; write it as in `https://example.com` or `http://localhost:8080`")]
    NoOrigin,
    /// A `*` that is not the whole first label.
    #[error("`*` must be the whole first label, as in `https://*.preview.example`")]
    Star,
    /// A `*` that is the whole host.
    #[error("`*` alone would allow every host; name the domain, as in `https://*.preview.example`")]
    EveryHost,
    /// A `*` before a single label.
    #[error(
        "`*` before one label would allow every site of a top-level domain; name a domain below it"
    )]
    TopLevel,
}

impl AllowedOrigin {
    /// Returns whether this entry allows the origin.
    pub fn allows(&self, origin: &Origin) -> bool {
        match self {
            Self::Exact(own) => own == origin,
            Self::OneLabelBelow(domain) => domain.is_one_label_above(origin),
            Self::Null => false,
        }
    }
}

impl FromStr for AllowedOrigin {
    type Err = AllowedOriginError;

    fn from_str(text: &str) -> Result<Self, AllowedOriginError> {
        let origin = |text: &str| text.parse().map_err(|_| AllowedOriginError::NoOrigin);
        if text == "null" {
            return Ok(Self::Null);
        }
        if !text.contains('*') {
            return origin(text).map(Self::Exact);
        }
        let (scheme, authority) = text.split_once("://").ok_or(AllowedOriginError::NoOrigin)?;
        let host = authority.split(':').next().unwrap_or_default();
        if scheme.contains('*') || (host != "*" && !host.starts_with("*.")) {
            return Err(AllowedOriginError::Star);
        }
        let Some(domain) = authority.strip_prefix("*.") else {
            return Err(AllowedOriginError::EveryHost);
        };
        if domain.contains('*') {
            return Err(AllowedOriginError::Star);
        }
        let domain: Origin = origin(&format!("{scheme}://{domain}"))?;
        let labels: Vec<_> = domain.host().split('.').collect();
        // An IP address has no labels, and no origin has an empty label.
        let last = labels.last().copied().unwrap_or_default();
        let is_address = last.bytes().all(|byte| byte.is_ascii_digit());
        if is_address || labels.contains(&"") || domain.host().starts_with('[') {
            return Err(AllowedOriginError::NoOrigin);
        }
        if labels.len() < 2 {
            return Err(AllowedOriginError::TopLevel);
        }
        Ok(Self::OneLabelBelow(domain))
    }
}

impl fmt::Display for AllowedOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(origin) => origin.fmt(f),
            Self::OneLabelBelow(domain) => {
                write!(f, "{}://*.{}", domain.scheme(), domain.host())?;
                domain.port().map_or(Ok(()), |port| write!(f, ":{port}"))
            }
            Self::Null => f.write_str("null"),
        }
    }
}

/// Returns whether pages of every site may connect. A route that requires a session trusts cookies,
/// so only its own option can allow that, not a default of the server.
pub(super) fn allows_any(access: RouteAccess, policy: &AdmissionPolicy) -> bool {
    match access.origins {
        Some(own) => own == Origins::Any,
        None => policy.origins == AllowedOrigins::Any && !access.require_session,
    }
}

/// Returns whether the origin `null`, which pages of any site can have, may connect.
pub(super) fn allows_null(access: RouteAccess, policy: &AdmissionPolicy) -> bool {
    match access.origins {
        Some(Origins::List(own)) => own.contains(&"null"),
        Some(Origins::Same) => false,
        Some(Origins::Any) => true,
        None => allows_any(access, policy) || (lists_null(policy) && !access.require_session),
    }
}

fn lists_null(policy: &AdmissionPolicy) -> bool {
    let null = AllowedOrigin::Null;
    matches!(&policy.origins, AllowedOrigins::Listed(listed) if listed.contains(&null))
}

/// Whether the route's own list allows an origin, or the server's list if the route has none.
pub(super) fn is_listed(origin: &Origin, access: RouteAccess, policy: &AdmissionPolicy) -> bool {
    match access.origins {
        Some(Origins::List(own)) => own.iter().any(|listed| {
            let listed = listed.parse::<AllowedOrigin>();
            listed.is_ok_and(|listed| listed.allows(origin))
        }),
        Some(Origins::Same) => false,
        Some(Origins::Any) | None => in_server_list(origin, policy),
    }
}

pub(super) fn in_server_list(origin: &Origin, policy: &AdmissionPolicy) -> bool {
    match &policy.origins {
        AllowedOrigins::Listed(listed) => listed.iter().any(|listed| listed.allows(origin)),
        AllowedOrigins::Same | AllowedOrigins::Any => false,
    }
}
