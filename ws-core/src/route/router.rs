//! The resolved tables of a server: finds the route for a path.

use std::sync::Arc;

use super::captures::Captures;
use super::path::{self, InvalidEncoding, Segments};
use super::spec::Rank;
use super::start;
use super::{Decide, MAX_SEGMENTS, Matcher, Origins, RouteSpec, Segment};
use crate::driver::{Connect, Connecting};
use crate::error::Refusal;
use crate::extract::{Admitted, Endpoint};
use crate::limits::LimitError;
use crate::page::PAGE_PROTOCOL;

/// Why a table cannot be served.
///
/// ```
/// use std::time::Duration;
/// use ws_server::Error;
/// use ws_server::limits::LimitOptions;
/// use ws_server::prelude::*;
/// use ws_server::route::RouterError;
/// # struct Echo;
/// # #[ws_handler]
/// # impl Echo { fn init() -> Self { Echo } }
/// # dispatch! { struct Routes; echo: "/echo" => Echo { idle: 60s }; }
///
/// # fn main() {
/// // A ping after the connection was closed as idle.
/// let limits = LimitOptions::NONE.ping(Some(Duration::from_secs(90)));
/// let built = Server::new(Routes::table()).limits(limits).build();
/// let Err(Error::Routes(RouterError::Limit { name, .. })) = built else { panic!() };
/// assert_eq!(name, "echo");
/// # }
/// ```
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RouterError {
    /// A limit of a route is invalid, alone or together with another.
    #[error("the limits of the route `{name}` ({path}) are invalid: {error}")]
    Limit {
        /// The name of the route.
        name: &'static str,
        /// The pattern of the route, prefixes included.
        path: String,
        /// Why the limit is invalid.
        error: LimitError,
    },
    /// Two routes of different tables match the same paths, and neither is more specific.
    #[error(
        "the routes `{first}` and `{second}` match the same paths; make one of them more specific"
    )]
    Conflict {
        /// The pattern of one route, prefixes included.
        first: String,
        /// The pattern of the other route.
        second: String,
    },
    /// A pattern with its prefixes is longer than [`MAX_SEGMENTS`](super::MAX_SEGMENTS).
    #[error("the route `{path}` has {segments} segments; write at most {MAX_SEGMENTS}")]
    TooManySegments {
        /// The pattern of the route, prefixes included.
        path: String,
        /// The number of its segments.
        segments: usize,
    },
}

/// One route of a running server.
#[derive(Debug)]
#[non_exhaustive]
pub struct Route {
    /// The line of the table.
    pub spec: &'static RouteSpec,
    /// The state that all connections of the route share.
    pub endpoint: Arc<Endpoint>,
    /// Whether to identify the visitor even if the route does not require that: because the handler
    /// takes session or page as an argument, or a `start` function may choose one that does.
    pub needs_visitor: bool,
    /// The pattern, the prefixes of outer tables included.
    pub path: String,
    /// Whether its connections speak the page protocol.
    pub(super) is_page_stream: bool,
    /// Runs the handler's `init`.
    pub(super) connect: Connect,
    pub(super) start: Option<Decide>,
    pub(super) shape: &'static [Segment],
    pub(super) rank: Rank,
}

impl Route {
    /// Runs the route's `start` function, if it has one. The last step of the handshake is then to
    /// [run](Connecting::run) `init` of the route's own or the chosen handler.
    ///
    /// # Errors
    ///
    /// The refusal of `start`; 500 if it panics. The request is then dropped, which releases its
    /// permit.
    pub fn open(&self, admitted: Admitted) -> Result<Connecting, Refusal> {
        let chosen = self
            .start
            .map(|decide| start::run(decide, &self.endpoint, &admitted.handshake));
        let connect = chosen.transpose()?.flatten().unwrap_or(self.connect);
        Ok(connect(self.endpoint.clone(), admitted))
    }

    /// Whether a connection needs a live session. Default: true.
    pub fn require_session(&self) -> bool {
        self.spec.options.require_session.unwrap_or(true)
    }

    /// Whether a connection needs the id of a page. Default: the value of `require_session`.
    pub fn require_page(&self) -> bool {
        self.spec
            .options
            .require_page
            .unwrap_or_else(|| self.require_session())
    }

    /// The origins that may connect; `None` uses the server's setting.
    pub fn origins(&self) -> Option<Origins> {
        self.spec.options.origins
    }

    /// Whether messages are compressed if the client offers it. Default: false.
    pub fn deflate(&self) -> bool {
        self.spec.options.deflate.unwrap_or(false)
    }

    /// Counts a response to a handshake.
    pub(crate) fn count_handshake(&self, status: u16) {
        self.endpoint
            .route_context()
            .counters
            .count_handshake(status);
    }

    /// Whether its connections carry the stream of a page.
    pub const fn is_page_stream(&self) -> bool {
        self.is_page_stream
    }

    /// The supported subprotocols in order of preference.
    pub fn protocols(&self) -> &'static [&'static str] {
        if self.is_page_stream {
            return &[PAGE_PROTOCOL];
        }
        self.spec.options.protocols.unwrap_or(&[])
    }
}

/// The result of looking up a path.
#[derive(Debug)]
pub enum Lookup<'r, 'p> {
    /// No route matches: the request is not for this router.
    Missing,
    /// A route matches, but one of its parameters has an invalid escape or is not UTF-8: 400.
    Malformed,
    /// The most specific route that matches, and the values of its parameters.
    Found(&'r Arc<Route>, Captures<'p>),
}

/// One table with its prefix.
#[derive(Debug)]
pub(super) struct Mount {
    pub(super) prefix: Vec<&'static str>,
    pub(super) matcher: Matcher,
    /// Indexed by the number that the matcher returns; a route that is disabled by `cfg` leaves a
    /// gap.
    pub(super) routes: Vec<Option<Arc<Route>>>,
}

/// All routes of a server.
#[derive(Debug)]
pub struct Router {
    mounts: Vec<Mount>,
}

impl Router {
    pub(super) fn new(mounts: Vec<Mount>) -> Self {
        Self { mounts }
    }

    /// Finds the most specific route for a path. Pass the path as it is in the request target,
    /// percent-encoded and without its query.
    pub fn find<'p>(&self, path: &'p str) -> Lookup<'_, 'p> {
        let Some((route, remaining)) = self.most_specific(Segments::of(path)) else {
            return if path::is_plain(path) {
                Lookup::Missing
            } else {
                self.find_percent_encoded(path)
            };
        };
        let names = route.spec.params;
        if names.is_empty() {
            return Lookup::Found(route, Captures::NONE);
        }
        // Segments that literals match are plain; this checks the rest.
        if !remaining.is_plain() {
            return self.find_percent_encoded(path);
        }
        Lookup::Found(route, Captures::in_path(names, route.shape, remaining))
    }

    /// Same as [`find`](Self::find), for a path that may not be plain.
    #[cold]
    fn find_percent_encoded<'p>(&self, path: &str) -> Lookup<'_, 'p> {
        let path = path::normalize(path);
        let Some((route, remaining)) = self.most_specific(Segments::of(&path)) else {
            return Lookup::Missing;
        };
        match Captures::decoded(route.spec.params, route.shape, remaining) {
            Ok(captures) => Lookup::Found(route, captures),
            Err(InvalidEncoding) => Lookup::Malformed,
        }
    }

    /// The most specific route that matches, and the rest of the path for it.
    fn most_specific<'p>(&self, path: Segments<'p>) -> Option<(&Arc<Route>, Segments<'p>)> {
        let mut best: Option<(&Arc<Route>, Segments<'p>)> = None;
        for mount in &self.mounts {
            if let Some(path) = path.strip_prefix(&mount.prefix)
                && let Some(number) = (mount.matcher)(path)
                && let Some(Some(route)) = mount.routes.get(number)
                && best.is_none_or(|(known, _)| known.rank < route.rank)
            {
                best = Some((route, path));
            }
        }
        best
    }

    /// The routes of all tables, those of nested tables first.
    pub fn routes(&self) -> impl Iterator<Item = &Arc<Route>> {
        self.mounts
            .iter()
            .flat_map(|mount| mount.routes.iter().flatten())
    }
}
