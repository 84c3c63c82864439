//! What can go wrong before a server serves.

use std::io;

use ws_core::limits::LimitError;
use ws_core::route::RouterError;
use ws_core::session::SessionOptionsError;

/// A server that cannot be built, or cannot listen.
///
/// A wrong configuration is found by [`Server::build`](crate::Server::build), and the
/// error names the value. Nothing that a client does ends in one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A route's limits cannot work, or its table cannot be served.
    #[error(transparent)]
    Routes(#[from] RouterError),
    /// A limit of the server cannot work.
    #[error("the server's limits cannot work: {0}")]
    Limits(#[from] LimitError),
    /// What was said of sessions cannot work.
    #[error(transparent)]
    Sessions(#[from] SessionOptionsError),
    /// The text is no address of a site.
    #[error(
        "`public_url` is {value:?}; it must be the address of the site without a path, as in \
         `https://example.com`; the path goes into `base`"
    )]
    PublicUrl {
        /// What was given.
        value: String,
    },
    /// The text is neither an origin nor a pattern of origins.
    #[error("`origins` has {value:?}: {reason}")]
    Origin {
        /// What was given.
        value: String,
        /// What is wrong with it.
        reason: String,
    },
    /// `origins` names `null` beside a route that requires a session.
    #[error(
        "`origins` has \"null\", which is the origin of every sandboxed frame, and the route \
         `{route}` ({path}) requires a session; give that route an option `origins` of its own \
         (with \"null\" it must also say `cross_site: \"why that is safe\"`), or \
         `require_session: false`"
    )]
    NullOrigin {
        /// Name of the route.
        route: &'static str,
        /// Pattern of the route, prefixes included.
        path: String,
    },
    /// The text is no base path.
    #[error(
        "`base` is {value:?}: {reason}; a base path is written as in `/live`, and a server at the \
         root has none"
    )]
    Base {
        /// What was given.
        value: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The text is no address and no network.
    #[error(
        "`trusted_proxies` has {value:?}; a proxy is named by its address or network, as in \
         `127.0.0.1`, `10.0.0.0/8` or `fd00::/8`"
    )]
    TrustedProxy {
        /// What was given.
        value: String,
    },
    /// The text is no path below which files can be served.
    #[error(
        "`client_path` is {value:?}; it must be a path such as `/ws-server`, of letters, digits \
         and `-._~`"
    )]
    ClientPath {
        /// What was given.
        value: String,
    },
    /// The address cannot be listened on: it is taken, not this machine's, or not allowed.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// What was given.
        address: String,
        /// What the system says.
        source: io::Error,
    },
    /// The system does not let the process wait for its signals.
    #[error("cannot wait for the signals that end the server: {0}")]
    Signal(#[source] io::Error),
}
