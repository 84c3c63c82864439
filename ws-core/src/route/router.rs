//! The tables of a server, resolved: from a path to its route.

use std::sync::Arc;

use super::path::{Malformed, SplitPath};
use super::spec::Rank;
use super::start;
use super::{Decide, Matcher, Origins, RouteSpec, Segment};
use crate::driver::{Connect, Opens};
use crate::extract::{Endpoint, Handshake, Params};
use crate::limits::LimitError;
use crate::page::PAGE_PROTOCOL;

/// Why a table cannot be served.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RouterError {
    /// A limit of a route cannot work, alone or together with another.
    #[error("route `{name}` ({path}): {source}")]
    Limit {
        /// Name of the route.
        name: &'static str,
        /// Pattern of the route, prefixes included.
        path: String,
        /// What is wrong.
        source: LimitError,
    },
    /// Two routes of different tables match the same paths, and neither is more specific.
    #[error("the routes `{first}` and `{second}` match the same paths")]
    Conflict {
        /// Pattern of one route, prefixes included.
        first: String,
        /// Pattern of the other route.
        second: String,
    },
    /// A pattern with its prefixes is longer than [`MAX_SEGMENTS`](super::MAX_SEGMENTS).
    #[error("the route `{path}` has {segments} segments; 32 are the most")]
    TooManySegments {
        /// Pattern of the route, prefixes included.
        path: String,
        /// How many segments it has.
        segments: usize,
    },
}

/// One route of a running server.
#[derive(Debug)]
#[non_exhaustive]
pub struct Route {
    /// The line of the table.
    pub spec: &'static RouteSpec,
    /// What connections of the route share.
    pub endpoint: Arc<Endpoint>,
    /// Whether the handler wants to know who is at the other end also where the route does
    /// not require it. Where a `start` function may choose another one, it may want it.
    pub asks_visitor: bool,
    /// The pattern, the prefixes of outer tables included.
    pub path: String,
    /// Its connections speak the page protocol.
    pub(super) of_pages: bool,
    /// Runs the handler's `init`.
    pub(super) connect: Connect,
    pub(super) start: Option<Decide>,
    pub(super) shape: &'static [Segment],
    pub(super) rank: Rank,
}

impl Route {
    /// The last steps of a handshake: the route's `start` function, where it has one, and
    /// then `init` of the handler that it keeps or chooses.
    ///
    /// # Errors
    ///
    /// The future gives the refusal of either; 500 where one panics. The handshake is
    /// dropped then, and the place that it holds is given back.
    pub fn open(&self, handshake: Handshake) -> Opens {
        let chosen = self
            .start
            .map(|decide| start::run(decide, &self.endpoint, &handshake));
        match chosen.transpose() {
            Ok(chosen) => {
                let connect = chosen.flatten().unwrap_or(self.connect);
                connect(self.endpoint.clone(), handshake)
            }
            Err(refusal) => Box::pin(std::future::ready(Err(refusal))),
        }
    }

    /// Whether a connection needs a live session; without a word it does.
    pub fn require_session(&self) -> bool {
        self.spec.options.require_session.unwrap_or(true)
    }

    /// Whether a connection needs the id of a page; without a word it does where it needs
    /// a session.
    pub fn require_page(&self) -> bool {
        self.spec
            .options
            .require_page
            .unwrap_or_else(|| self.require_session())
    }

    /// The origins that may connect; `None` leaves it to the server.
    pub fn origins(&self) -> Option<Origins> {
        self.spec.options.origins
    }

    /// The subprotocols in the order of preference.
    pub fn protocols(&self) -> &'static [&'static str] {
        if self.of_pages {
            return &[PAGE_PROTOCOL];
        }
        self.spec.options.protocols.unwrap_or(&[])
    }

    /// The values of the parameters of a path that this route matches.
    fn params(&self, path: &SplitPath<'_>, prefix: usize) -> Result<Params, Malformed> {
        let mut shape = self.shape.iter().zip(prefix..);
        Params::read(self.spec.params, path.bytes(), |value| {
            for (segment, at) in shape.by_ref() {
                match segment {
                    Segment::Literal(_) => {}
                    Segment::Typed(_) | Segment::Text => {
                        value.push_str(path.segment(at)?);
                        break;
                    }
                    Segment::Rest => return path.write_rest(at, value),
                }
            }
            Ok(())
        })
    }
}

/// What a path leads to.
#[derive(Debug)]
pub enum Lookup<'r> {
    /// No route matches; the request is not ours.
    Missing,
    /// A route matches, and a parameter of it has an invalid escape or is no UTF-8: 400.
    Malformed,
    /// The most specific route that matches, and the values of its parameters.
    Found(&'r Arc<Route>, Params),
}

/// One table at its place.
#[derive(Debug)]
pub(super) struct Mount {
    pub(super) prefix: Vec<&'static str>,
    pub(super) matcher: Matcher,
    /// By the number that the matcher gives; a route that is configured away leaves a gap.
    pub(super) routes: Vec<Option<Arc<Route>>>,
}

/// All routes of a server.
///
/// ```
/// use ws_core::extract::NoState;
/// use ws_core::hub::Hub;
/// use ws_core::limits::LimitOptions;
/// use ws_core::route::{Lookup, Table};
///
/// let empty: Table<NoState> = Table::new(|_| None, &[]);
/// let router = empty.into_router(NoState, &Hub::default(), &LimitOptions::NONE).unwrap();
/// assert!(matches!(router.find("/rooms/7"), Lookup::Missing));
/// ```
#[derive(Debug)]
pub struct Router {
    mounts: Vec<Mount>,
}

impl Router {
    pub(super) fn new(mounts: Vec<Mount>) -> Self {
        Self { mounts }
    }

    /// The most specific route for a path, which comes percent-encoded as it stands in the
    /// request's target, without its query.
    pub fn find(&self, path: &str) -> Lookup<'_> {
        match SplitPath::default().take_plain(path) {
            Some(path) => self.look_up(path),
            None => self.look_up(&SplitPath::decoded(path, &mut Vec::new())),
        }
    }

    #[inline]
    fn look_up(&self, path: &SplitPath<'_>) -> Lookup<'_> {
        let mut best: Option<(&Arc<Route>, usize)> = None;
        for mount in &self.mounts {
            if let Some(segments) = path.behind(&mount.prefix)
                && let Some(number) = (mount.matcher)(segments)
                && let Some(Some(route)) = mount.routes.get(number)
                && best.is_none_or(|(known, _)| known.rank < route.rank)
            {
                best = Some((route, mount.prefix.len()));
            }
        }
        let Some((route, prefix)) = best else {
            return Lookup::Missing;
        };
        if route.spec.params.is_empty() {
            return Lookup::Found(route, Params::default());
        }
        match route.params(path, prefix) {
            Ok(params) => Lookup::Found(route, params),
            Err(Malformed) => Lookup::Malformed,
        }
    }

    /// The routes of all tables; those of nested tables come first.
    pub fn routes(&self) -> impl Iterator<Item = &Arc<Route>> {
        self.mounts
            .iter()
            .flat_map(|mount| mount.routes.iter().flatten())
    }
}
