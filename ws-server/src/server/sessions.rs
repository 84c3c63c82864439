//! Settings for sessions.

use ws_core::admit::Origin;
use ws_core::limits::SessionLimits;
use ws_core::session::{CookieOptions, SameSite, Secrets, SessionSource, SessionStore};

use super::Server;
use crate::failure::Error;

impl<S, G> Server<S, G> {
    /// Sets the limits of sessions and pages: how long they live, and how many there may be.
    ///
    /// ```
    /// # use ws_server::prelude::*;
    /// # fn configured<S>(server: Server<S>) -> Server<S> {
    /// use std::time::Duration;
    /// use ws_server::limits::SessionLimits;
    ///
    /// let limits = SessionLimits::DEFAULT
    ///     .idle(Duration::from_secs(20 * 60))
    ///     .lifetime(Duration::from_secs(12 * 60 * 60));
    /// server.session_limits(limits)
    /// # }
    /// ```
    pub fn session_limits(mut self, limits: SessionLimits) -> Self {
        self.settings.sessions = self.settings.sessions.limits(limits);
        self
    }

    /// Keeps sessions in this store. By default they are kept in memory, and lost when the process
    /// ends.
    ///
    /// ```
    /// # use ws_server::prelude::*;
    /// # fn configured<S>(server: Server<S>) -> Server<S> {
    /// use ws_server::session::MemoryStore;
    ///
    /// server.session_store(MemoryStore::new(5_000).bytes(16 * 1024 * 1024))
    /// # }
    /// ```
    pub fn session_store(mut self, store: impl SessionStore) -> Self {
        self.settings.sessions = self.settings.sessions.store(store);
        self
    }

    /// Takes sessions from the application, which has its own cookies. Routes with
    /// `require_session` then require a session of the application. The server then sets no session
    /// cookies, only the page's.
    ///
    /// ```
    /// # use ws_server::prelude::*;
    /// # fn configured<S>(server: Server<S>) -> Server<S> {
    /// use http::HeaderMap;
    /// use ws_server::session::{ForeignSession as Found, SessionSource, StoreError, cookies};
    ///
    /// /// The company's single sign-on: the cookie `sso` names the session.
    /// struct SingleSignOn;
    ///
    /// impl SessionSource for SingleSignOn {
    ///     async fn find(&self, headers: &HeaderMap) -> Result<Option<Found>, StoreError> {
    ///         Ok(cookies::value(headers, "sso").map(Found::new))
    ///     }
    ///
    ///     async fn is_live(&self, _key: &str) -> Result<bool, StoreError> {
    ///         Ok(true)
    ///     }
    /// }
    ///
    /// server.session_source(SingleSignOn)
    /// # }
    /// ```
    pub fn session_source(mut self, source: impl SessionSource) -> Self {
        self.settings.sessions = self.settings.sessions.source(source);
        self
    }

    /// Sets the secrets that seal what clients keep, such as positions of topics, cursors of
    /// pages, and ids of pages without a session. The first one seals, and all of them open, so a
    /// secret can be replaced: put the new one first, and remove the old one a day later. By default,
    /// the secret is random and ends with the process.
    ///
    /// Servers that share a log need the same secrets. To replace one while they run, first add the
    /// new one in second place on all servers, so that all can open what it seals.
    ///
    /// ```
    /// # use ws_server::prelude::*;
    /// # fn configured<S>(server: Server<S>) -> Option<Server<S>> {
    /// use ws_server::session::Secrets;
    ///
    /// let new = std::env::var("WS_SECRET").ok()?;
    /// let old = std::env::var("WS_OLD_SECRET").ok()?;
    /// Some(server.secrets(Secrets::new([new, old])?))
    /// # }
    /// ```
    pub fn secrets(mut self, secrets: Secrets) -> Self {
        self.settings.secrets = Some(secrets);
        self
    }

    /// Sets the name of the cookie that holds the session's token; the default is `z_sid`. Over
    /// TLS, the name gets the prefix `__Host-`.
    ///
    /// ```
    /// # use ws_server::prelude::*;
    /// # fn configured<S>(server: Server<S>) -> Server<S> {
    /// server.session_cookie("shop_session").page_cookie("shop_page")
    /// # }
    /// ```
    pub fn session_cookie(mut self, name: impl Into<String>) -> Self {
        self.settings.sessions = self.settings.sessions.session_cookie(name);
        self
    }

    /// Sets the name of the cookie that holds the page's id, and of the query parameter; the
    /// default is `z_pid`. Over TLS, the cookie's name gets the prefix `__Host-`.
    pub fn page_cookie(mut self, name: impl Into<String>) -> Self {
        self.settings.sessions = self.settings.sessions.page_cookie(name);
        self
    }

    /// Sets the attributes of the session's and the page's cookies: `Max-Age`, `SameSite` and
    /// `Domain`.
    ///
    /// [`build`](Self::build) refuses what browsers would ignore: `SameSite=None` without a
    /// [`public_url`](Self::public_url) of `https`, and a domain that does not contain the host of
    /// the `public_url`.
    ///
    /// ```
    /// # use ws_server::prelude::*;
    /// # fn configured<S>(server: Server<S>) -> Server<S> {
    /// use std::time::Duration;
    /// use ws_server::session::CookieOptions;
    ///
    /// let a_month = Duration::from_secs(30 * 24 * 60 * 60);
    /// server.cookies(CookieOptions::new().max_age(a_month))
    /// # }
    /// ```
    pub fn cookies(mut self, cookies: CookieOptions) -> Self {
        self.settings.sessions = self.settings.sessions.cookies(cookies);
        self
    }
}

/// Checks that browsers accept the cookies from the site under its public URL, as far as it is
/// known.
///
/// # Errors
///
/// [`Error::CookieSameSite`] or [`Error::CookieDomain`].
pub(super) fn check_cookies(cookies: &CookieOptions, site: Option<&Origin>) -> Result<(), Error> {
    let is_https = site.is_some_and(|site| site.scheme() == "https");
    if cookies.same_site_value() == SameSite::None && !is_https {
        return Err(Error::CookieSameSite);
    }
    let (Some(domain), Some(site)) = (cookies.domain_name(), site) else {
        return Ok(());
    };
    let host = site.to_host();
    let rest = host.name().strip_suffix(domain);
    if rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.')) {
        return Ok(());
    }
    Err(Error::CookieDomain {
        domain: domain.to_owned(),
        host: host.name().to_owned(),
    })
}
