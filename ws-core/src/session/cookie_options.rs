//! The attributes of the cookies of sessions and pages.

use std::time::Duration;

/// The prefix of a cookie's name with which a browser accepts the cookie only from its own host
/// over TLS (RFC 6265bis, section 4.1.3.2).
///
/// ```
/// use ws_server::session::{SECURE_PREFIX, Sessions};
///
/// let sessions = Sessions::default();
/// assert_eq!(sessions.session_cookie(false), "z_sid");
/// assert_eq!(sessions.session_cookie(true), format!("{SECURE_PREFIX}z_sid"));
/// ```
pub const SECURE_PREFIX: &str = "__Host-";

/// The prefix over TLS if the cookie has a `Domain`, which `__Host-` excludes (RFC 6265bis, section
/// 4.1.3.1).
const SHARED_PREFIX: &str = "__Secure-";

/// The maximum of `Max-Age`: browsers shorten a longer one to 400 days (RFC 6265bis, section 5.5).
const MAX_AGE: Duration = Duration::from_secs(400 * 24 * 60 * 60);

/// The attributes of the cookies of sessions and pages.
///
/// By default, the cookies end with the browser's session, belong to one host, and have
/// `SameSite=Lax`. They always have `Path=/` and `HttpOnly`, and over TLS `Secure`.
///
/// ```
/// use std::time::Duration;
/// use ws_server::session::{CookieOptions, SameSite, SessionOptions, Sessions};
///
/// let cookies = CookieOptions::new()
///     .max_age(Duration::from_secs(30 * 24 * 60 * 60))
///     .same_site(SameSite::Strict)
///     .domain("example.com");
/// let options = SessionOptions::default().cookies(cookies);
/// assert_eq!(options.check(), Ok(()));
/// // `Domain` excludes the prefix `__Host-`.
/// assert_eq!(Sessions::new(options).session_cookie(true), "__Secure-z_sid");
/// ```
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct CookieOptions {
    max_age: Option<Duration>,
    same_site: SameSite,
    domain: Option<String>,
}

/// With which requests from other sites a browser sends the cookies.
///
/// ```
/// use ws_server::session::SameSite;
///
/// assert_eq!(SameSite::default(), SameSite::Lax);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[non_exhaustive]
pub enum SameSite {
    /// With none: a visitor who follows a link from another site has no session until the next
    /// request.
    Strict,
    /// Only when a visitor follows a link.
    #[default]
    Lax,
    /// With all, also in frames of other sites. The server still checks the origin of handshakes
    /// and of requests that may change something. Browsers require TLS, so this requires a
    /// `public_url` of `https`.
    None,
}

impl SameSite {
    /// The value of the attribute.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Strict => "Strict",
            Self::Lax => "Lax",
            Self::None => "None",
        }
    }
}

impl CookieOptions {
    /// Creates the default attributes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets `Max-Age` of the session's cookie, from 1 s to 400 days; a fraction of a second is cut
    /// off. The browser then keeps the cookie when it is closed.
    ///
    /// The cookie is set when the session begins and at each logon. The session itself still ends
    /// by the limits of [`SessionLimits`](crate::limits::SessionLimits).
    pub const fn max_age(mut self, age: Duration) -> Self {
        self.max_age = Some(age);
        self
    }

    /// Sets `SameSite` of both cookies. The default is [`SameSite::Lax`].
    pub const fn same_site(mut self, same_site: SameSite) -> Self {
        self.same_site = same_site;
        self
    }

    /// Sets `Domain` of both cookies: browsers then send them to this domain and to all of its
    /// subdomains, such as `example.com` and `chat.example.com`. By default they go to one host.
    ///
    /// Every host of the domain can then read and replace the cookies, so set this only if you
    /// operate all of them. Over TLS, the prefix of the names becomes `__Secure-`, because
    /// `__Host-` excludes `Domain`.
    pub fn domain(mut self, domain: impl Into<String>) -> Self {
        self.domain = Some(domain.into());
        self
    }

    /// The value of `Max-Age` in seconds, if there is one.
    pub const fn max_age_seconds(&self) -> Option<u64> {
        match self.max_age {
            Some(age) => Some(age.as_secs()),
            None => None,
        }
    }

    /// The value of `SameSite`.
    pub const fn same_site_value(&self) -> SameSite {
        self.same_site
    }

    /// The value of `Domain`, if there is one.
    pub fn domain_name(&self) -> Option<&str> {
        self.domain.as_deref()
    }

    /// The prefix of the names over TLS.
    pub(super) const fn secure_prefix(&self) -> &'static str {
        if self.domain.is_some() {
            SHARED_PREFIX
        } else {
            SECURE_PREFIX
        }
    }

    /// The lifetime, if browsers would not keep a cookie for it.
    pub(super) fn invalid_max_age(&self) -> Option<Duration> {
        let is_invalid = |age: &Duration| age.as_secs() == 0 || *age > MAX_AGE;
        self.max_age.filter(is_invalid)
    }

    /// The domain, if browsers would ignore a cookie with it.
    pub(super) fn invalid_domain(&self) -> Option<&str> {
        self.domain_name().filter(|domain| !is_domain(domain))
    }
}

/// Whether a text is a domain of at least two labels, in lower case. Browsers ignore a cookie whose
/// `Domain` is an address or a single label.
fn is_domain(text: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(is_letter)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let is_number = |label: &str| label.bytes().all(|byte| byte.is_ascii_digit());
    let last = text.rsplit('.').next();
    text.len() <= 253
        && text.contains('.')
        && text.split('.').all(is_label)
        && !last.is_some_and(is_number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::{SessionOptions, SessionOptionsError};

    fn check(cookies: CookieOptions) -> Result<(), SessionOptionsError> {
        SessionOptions::default().cookies(cookies).check()
    }

    #[test]
    fn a_domain_has_labels_and_is_no_address() {
        for domain in ["example.com", "a.b-c.example", "xn--bcher-kva.example"] {
            assert_eq!(check(CookieOptions::new().domain(domain)), Ok(()));
        }
        for domain in [
            "",
            "com",
            ".example.com",
            "example.com.",
            "Example.com",
            "a..b",
            "-a.example",
            "a_b.example",
            "192.0.2.1",
            "[::1]",
            "example.com:80",
            "example.com; Path=/x",
            "bücher.example",
        ] {
            let error = SessionOptionsError::Domain {
                domain: domain.to_owned(),
            };
            let cookies = CookieOptions::new().domain(domain);
            assert_eq!(check(cookies), Err(error), "{domain}");
        }
    }

    #[test]
    fn max_age_is_from_a_second_to_400_days() {
        let check = |age| check(CookieOptions::new().max_age(age));
        for age in [Duration::from_secs(1), MAX_AGE] {
            assert_eq!(check(age), Ok(()));
        }
        for age in [
            Duration::ZERO,
            Duration::from_millis(999),
            MAX_AGE + Duration::from_secs(1),
        ] {
            assert_eq!(check(age), Err(SessionOptionsError::MaxAge { age }));
        }
    }
}
