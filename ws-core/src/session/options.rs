//! The options of a server's sessions: store, source, limits and the names of the cookies.

use std::fmt;
use std::time::Duration;

use super::store::{DynSource, DynStore};
use super::{CookieOptions, SessionSource, SessionStore, cookies};
use crate::limits::{LimitError, SessionLimits};

/// The options of a server's sessions.
///
/// ```
/// use ws_server::limits::SessionLimits;
/// use ws_server::session::{SessionOptions, Sessions};
///
/// let options = SessionOptions::new(SessionLimits::DEFAULT).session_cookie("sid");
/// let sessions = Sessions::new(options);
/// assert_eq!(sessions.session_cookie(true), "__Host-sid");
/// ```
pub struct SessionOptions {
    pub(super) limits: SessionLimits,
    /// If `None`, sessions are kept in memory.
    pub(super) store: Option<Box<dyn DynStore>>,
    pub(super) source: Option<Box<dyn DynSource>>,
    pub(super) session_cookie: String,
    pub(super) page_cookie: String,
    pub(super) cookies: CookieOptions,
}

impl SessionOptions {
    /// Creates options with sessions in memory and the cookies `z_sid` and `z_pid`.
    pub fn new(limits: SessionLimits) -> Self {
        Self {
            limits,
            store: None,
            source: None,
            session_cookie: "z_sid".to_owned(),
            page_cookie: "z_pid".to_owned(),
            cookies: CookieOptions::default(),
        }
    }

    /// Sets the limits.
    pub const fn limits(mut self, limits: SessionLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Keeps sessions in this store instead of in memory.
    pub fn store(mut self, store: impl SessionStore) -> Self {
        self.store = Some(Box::new(store));
        self
    }

    /// Same as [`store`](Self::store), unless a store was set before.
    pub fn default_store(self, store: impl SessionStore) -> Self {
        if self.store.is_some() {
            return self;
        }
        self.store(store)
    }

    /// Takes sessions from the application.
    pub fn source(mut self, source: impl SessionSource) -> Self {
        self.source = Some(Box::new(source));
        self
    }

    /// Sets the name of the cookie that holds the session's token.
    pub fn session_cookie(mut self, name: impl Into<String>) -> Self {
        self.session_cookie = name.into();
        self
    }

    /// Sets the name of the cookie and of the query parameter that hold the page's id.
    pub fn page_cookie(mut self, name: impl Into<String>) -> Self {
        self.page_cookie = name.into();
        self
    }

    /// Sets the attributes of both cookies.
    pub fn cookies(mut self, cookies: CookieOptions) -> Self {
        self.cookies = cookies;
        self
    }

    /// The attributes of both cookies.
    pub const fn cookie_options(&self) -> &CookieOptions {
        &self.cookies
    }

    /// Checks that the options are valid.
    ///
    /// # Errors
    ///
    /// [`SessionOptionsError`] for the first invalid option.
    pub fn check(&self) -> Result<(), SessionOptionsError> {
        self.limits.check()?;
        for name in [&self.session_cookie, &self.page_cookie] {
            if !cookies::is_name(name) {
                return Err(SessionOptionsError::CookieName { name: name.clone() });
            }
        }
        if self.session_cookie == self.page_cookie {
            let name = self.page_cookie.clone();
            return Err(SessionOptionsError::SameName { name });
        }
        if let Some(age) = self.cookies.invalid_max_age() {
            return Err(SessionOptionsError::MaxAge { age });
        }
        match self.cookies.invalid_domain() {
            Some(domain) => Err(SessionOptionsError::Domain {
                domain: domain.to_owned(),
            }),
            None => Ok(()),
        }
    }
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self::new(SessionLimits::DEFAULT)
    }
}

/// Why the options of sessions are invalid.
///
/// ```
/// use ws_server::session::{SessionOptions, SessionOptionsError};
///
/// let options = SessionOptions::default().session_cookie("my session");
/// let name = "my session".to_owned();
/// assert_eq!(options.check(), Err(SessionOptionsError::CookieName { name }));
/// ```
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionOptionsError {
    /// A limit is invalid.
    #[error("the session limits are invalid: {0}")]
    Limit(LimitError),
    /// The name is not valid for a cookie, or has the prefix that is added over TLS.
    #[error(
        "{name:?} is not a valid cookie name; write letters, digits, `-`, `_` and `.`, without the \
         prefix `__Host-`, which is added over TLS"
    )]
    CookieName {
        /// The given name.
        name: String,
    },
    /// Session and page have the same cookie.
    #[error("session and page are both in the cookie {name:?}; give each a name of its own")]
    SameName {
        /// The name given for both.
        name: String,
    },
    /// The `Max-Age` of the session's cookie is out of range.
    #[error("`max_age` of the session's cookie is {age:?}; choose a time from 1 s to 400 days")]
    MaxAge {
        /// The given time.
        age: Duration,
    },
    /// The `Domain` of the cookies is not a domain.
    #[error(
        "`domain` of the cookies is {domain:?}; write a domain of at least two labels in lower \
         case, such as `example.com`, without a leading dot and without a port"
    )]
    Domain {
        /// The given domain.
        domain: String,
    },
}

impl From<LimitError> for SessionOptionsError {
    fn from(error: LimitError) -> Self {
        Self::Limit(error)
    }
}

impl fmt::Debug for SessionOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionOptions")
            .field("limits", &self.limits)
            .field("session_cookie", &self.session_cookie)
            .field("page_cookie", &self.page_cookie)
            .field("cookies", &self.cookies)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_options_are_named() {
        let check = |options: SessionOptions| options.check().unwrap_err().to_string();
        let prefixed = SessionOptions::default().session_cookie("__Host-sid");
        assert!(check(prefixed).starts_with("\"__Host-sid\" is not a valid cookie name"));
        let broken = SessionOptions::default().page_cookie("a b");
        assert!(check(broken).starts_with("\"a b\" is not a valid cookie name"));
        let same = SessionOptions::default().page_cookie("z_sid");
        assert!(check(same).contains("both in the cookie \"z_sid\""));
        let limits = SessionLimits {
            sessions: 0,
            ..SessionLimits::DEFAULT
        };
        let limited = SessionOptions::new(limits);
        assert!(check(limited).contains("`sessions` is zero"));
        assert_eq!(SessionOptions::default().check(), Ok(()));
    }
}
