//! Errors that occur before a server serves.

use std::fmt;
use std::io;

use ws_core::limits::LimitError;
use ws_core::route::RouterError;
use ws_core::session::SessionOptionsError;

/// An error of building a server or of starting to listen.
///
/// [`Server::build`](crate::Server::build) detects a wrong configuration, and the error contains
/// the value. No client can cause such an error, so none has a status.
///
/// If the operating system reports an error, it is the source. `{:#}` appends it to the text.
///
/// ```
/// use ws_server::Error;
/// use ws_server::prelude::*;
/// # struct Echo;
/// # #[ws_handler]
/// # impl Echo { fn init() -> Self { Echo } }
/// # dispatch! { struct Routes; echo: "/echo" => Echo; }
///
/// # fn main() {
/// let error = Server::new(Routes::table()).public_url("example.com").build().unwrap_err();
/// assert!(matches!(&error, Error::PublicUrl { value } if value == "example.com"));
/// assert!(error.to_string().starts_with("`public_url` is \"example.com\"; it must be"));
/// # }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A route's limits are invalid, or its table cannot be served.
    #[error(transparent)]
    Routes(#[from] RouterError),
    /// A limit of the server is invalid.
    #[error("the limits of the server are invalid: {0}")]
    Limits(LimitError),
    /// The options of sessions are invalid.
    #[error(transparent)]
    Sessions(#[from] SessionOptionsError),
    /// The text is not the address of a site.
    #[error(
        "`public_url` is {value:?}; it must be the address of the site without a path, as in \
         `https://example.com`; the path goes into `base`"
    )]
    PublicUrl {
        /// The value that was set.
        value: String,
    },
    /// The text is neither an origin nor a pattern of origins.
    #[error("`origins` has {value:?}: {reason}")]
    Origin {
        /// The value that was set.
        value: String,
        /// A description of the error.
        reason: String,
    },
    /// `origins` contains `null`, and a route without an `origins` option requires a session.
    #[error(
        "`origins` has \"null\", which is the origin of every sandboxed frame, and the route \
         `{route}` ({path}) requires a session; give that route an option `origins` of its own \
         (with \"null\" it also needs `cross_site: \"why that is safe\"`), or \
         `require_session: false`"
    )]
    NullOrigin {
        /// The name of the route.
        route: &'static str,
        /// The pattern of the route, with its prefixes.
        path: String,
    },
    /// The text is not a base path.
    #[error(
        "`base` is {value:?}: {reason}; a base path is written as in `/live`, and a server at the \
         root has none"
    )]
    Base {
        /// The value that was set.
        value: String,
        /// A description of the error.
        reason: &'static str,
    },
    /// The text is neither an address nor a network.
    #[error(
        "`trusted_proxies` has {value:?}; a proxy is named by its address or network, as in \
         `127.0.0.1`, `10.0.0.0/8` or `fd00::/8`, or by `unix:` on a Unix socket"
    )]
    TrustedProxy {
        /// The value that was set.
        value: String,
    },
    /// The text is not a path below which files can be served.
    #[error(
        "`client_path` is {value:?}; it must be a path such as `/ws-server`, of letters, digits \
         and `-._~`"
    )]
    ClientPath {
        /// The value that was set.
        value: String,
    },
    /// A log is shared with other servers, but there are no secrets that they could share.
    #[cfg(feature = "cluster")]
    #[error(
        "a log is shared with other servers, so all of them need the same secrets: set them with \
         `Server::secrets`"
    )]
    NoSecrets,
    /// A server that shares a log was built outside of a tokio runtime.
    #[cfg(feature = "cluster")]
    #[error(
        "a server that shares a log starts to read it at once; call `build` in a tokio runtime"
    )]
    NoRuntime,
    /// The log that the server shares with others cannot be used, and only an operator can correct
    /// why: it was created with other lanes or on other servers, or Redis does not accept the
    /// password, for example.
    #[cfg(feature = "cluster")]
    #[error(transparent)]
    Log(ws_core::log::shared::EngineError),
    /// A URL of Redis, or the list of them, is invalid.
    #[cfg(feature = "redis")]
    #[error(transparent)]
    Redis(crate::redis::RedisError),
    /// The cookies have `SameSite=None`, which browsers accept only over TLS.
    #[error(
        "the cookies have `SameSite=None`, and browsers ignore them without TLS; set `public_url` \
         to an address of `https`, or choose another `SameSite`"
    )]
    CookieSameSite,
    /// The domain of the cookies does not contain the host of the public URL, so browsers would
    /// ignore the cookies.
    #[error(
        "the cookies have the domain {domain:?}, and browsers ignore it on the host {host:?} of \
         `public_url`; choose that host or a domain above it"
    )]
    CookieDomain {
        /// The domain that was set.
        domain: String,
        /// The host of the public URL.
        host: String,
    },
    /// The server cannot listen on the address: it is in use, not one of this machine's, or not
    /// allowed.
    #[error(fmt = fmt_bind)]
    Bind {
        /// The address that was given.
        address: String,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The system does not allow the process to handle signals.
    #[error(fmt = fmt_signal)]
    Signal(#[source] io::Error),
}

fn fmt_bind(address: &str, source: &io::Error, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(
        f,
        "cannot listen on {address}; choose an address of this machine and a free port"
    )?;
    fmt_causes(source, f)
}

fn fmt_signal(source: &io::Error, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str("cannot wait for the signals that end the server")?;
    fmt_causes(source, f)
}

/// Appends the causes to the text in the alternate form, `{:#}`.
fn fmt_causes(cause: &io::Error, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut next = f.alternate().then_some(cause as &dyn std::error::Error);
    while let Some(cause) = next {
        write!(f, ": {cause}")?;
        next = cause.source();
    }
    Ok(())
}

impl From<LimitError> for Error {
    fn from(error: LimitError) -> Self {
        Self::Limits(error)
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    fn value() -> String {
        "wrong".to_owned()
    }

    fn taken() -> io::Error {
        io::Error::other("the port is taken")
    }

    /// One error of each kind.
    fn all() -> Vec<Error> {
        let limit = || LimitError::Zero { name: "mailbox" };
        let conflict = RouterError::Conflict {
            first: value(),
            second: value(),
        };
        let address = value();
        let source = taken();
        vec![
            conflict.into(),
            limit().into(),
            SessionOptionsError::from(limit()).into(),
            Error::PublicUrl { value: value() },
            Error::Origin {
                value: value(),
                reason: value(),
            },
            Error::NullOrigin {
                route: "room",
                path: value(),
            },
            Error::Base {
                value: value(),
                reason: "it must begin with `/`",
            },
            Error::TrustedProxy { value: value() },
            Error::ClientPath { value: value() },
            #[cfg(feature = "cluster")]
            Error::NoSecrets,
            #[cfg(feature = "cluster")]
            Error::NoRuntime,
            #[cfg(feature = "cluster")]
            Error::Log(ws_core::log::shared::EngineError::Misconfigured(
                value().into(),
            )),
            #[cfg(feature = "redis")]
            Error::Redis(crate::redis::RedisError::TlsDisabled),
            Error::CookieSameSite,
            Error::CookieDomain {
                domain: value(),
                host: value(),
            },
            Error::Bind { address, source },
            Error::Signal(taken()),
        ]
    }

    #[test]
    fn no_error_repeats_its_cause_and_each_text_is_one_sentence() {
        for error in all() {
            let text = error.to_string();
            if let Some(source) = error.source() {
                assert!(!text.contains(&source.to_string()), "{text}");
                assert_eq!(format!("{error:#}"), format!("{text}: {source}"));
            } else {
                assert_eq!(format!("{error:#}"), text);
            }
            let first = text.chars().next().unwrap();
            assert!(first.is_lowercase() || first == '`', "{text}");
            assert!(!text.ends_with('.') && !text.contains(". "), "{text}");
        }
    }

    #[test]
    fn an_error_of_the_system_is_the_source() {
        let has_source = |error: &Error| {
            error
                .source()
                .is_some_and(<dyn std::error::Error>::is::<io::Error>)
        };
        let with_source: Vec<_> = all().into_iter().filter(has_source).collect();
        assert!(matches!(
            &*with_source,
            [Error::Bind { .. }, Error::Signal(_)]
        ));
    }
}
