//! The tables that `dispatch!` generates, and their conversion to a router.

use std::fmt;
use std::sync::Arc;

use super::conflict::{self, CompileError};
use super::router::{Mount, Route, Router, RouterError};
use super::spec::Rank;
use super::{Decide, MAX_SEGMENTS, Matcher, RouteData, RouteSpec, Segment};
use crate::compile_error::equal;
use crate::driver::{Connect, connect};
use crate::extract::{AnyState, AttachesPage, Endpoint, FromRef, HandlerOf};
use crate::handler::Handler;
use crate::hub::Hub;
use crate::limits::{LimitOptions, Limits};
use crate::stream::connect_page;

/// A route of a table with its handler.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    number: usize,
    spec: &'static RouteSpec,
    shape: &'static [Segment],
    fields: &'static [Option<&'static [&'static str]>],
    visitor: bool,
    connect: Connect,
    start: Option<Decide>,
    /// Whether its connections speak the page protocol.
    is_page_stream: bool,
    handler_of: HandlerOf,
}

impl Entry {
    /// Creates the route with the marker `M` and the handler `H`; `number` identifies it in the
    /// matcher. `R` is the marker of all routes that provide the same to their handlers.
    ///
    /// If the route cannot serve the handler, the compiler reports it at this call.
    pub const fn new<H: Handler<R>, R: 'static, M: RouteData>(number: usize) -> Self {
        Self {
            number,
            spec: M::SPEC,
            shape: M::SHAPE,
            fields: H::FIELDS,
            visitor: H::VISITOR,
            connect: connect::<H, R>,
            start: None,
            is_page_stream: H::SPEAKS_PAGE_PROTOCOL,
            handler_of: HandlerOf::Socket,
        }
    }

    /// Same as [`new`](Self::new), with `attach: page`: the handler lives as long as the page. If
    /// the route has no pages, the compiler reports it at this call.
    pub const fn attached<H: Handler<R>, R: AttachesPage + 'static, M: RouteData>(
        number: usize,
    ) -> Self {
        let entry = Self::new::<H, R, M>(number);
        if entry.is_page_stream {
            // `PageStream` itself serves the page.
            return entry;
        }
        Self {
            connect: connect_page::<H, R>,
            is_page_stream: true,
            handler_of: HandlerOf::Page,
            ..entry
        }
    }

    /// Whether its connections speak only the page protocol: then `dispatch!` rejects the option
    /// `protocols`.
    pub const fn speaks_page_protocol(&self) -> bool {
        self.is_page_stream
    }

    /// The error of a route whose handler takes the parameters by name, but has no field for one of
    /// them.
    pub const fn missing_field(&self) -> Option<CompileError> {
        let mut by_name = false;
        let mut group = 0;
        while group < self.fields.len() {
            let Some(fields) = self.fields[group] else {
                return None;
            };
            by_name |= !fields.is_empty();
            group += 1;
        }
        let mut at = 0;
        while by_name && at < self.spec.params.len() {
            let param = self.spec.params[at];
            if !matches!(param.as_bytes(), [b'_', ..]) && !self.has_field(param) {
                return Some(conflict::missing_field(param));
            }
            at += 1;
        }
        None
    }

    /// Whether a struct in the arguments of `init` has a field for this parameter.
    const fn has_field(&self, param: &str) -> bool {
        let mut group = 0;
        while group < self.fields.len() {
            let mut at = 0;
            while let Some(fields) = self.fields[group]
                && at < fields.len()
            {
                if equal(fields[at], param) {
                    return true;
                }
                at += 1;
            }
            group += 1;
        }
        false
    }

    /// Sets the function that is called before `init` of every connection.
    pub const fn start(self, decide: Decide) -> Self {
        Self {
            start: Some(decide),
            ..self
        }
    }
}

/// A routing table with the state `S`, as returned by `Routes::table()`.
///
/// Pass it to a server. It matches nothing until it has a state, a hub and limits.
///
/// ```
/// use ws_server::prelude::*;
/// # struct Room;
/// # #[ws_handler]
/// # impl Room { fn init() -> Self { Room } }
///
/// dispatch! {
///     struct Routes;
///
///     room: "/rooms/{id: u64}" => Room;
/// }
///
/// # fn main() -> Result<(), ws_server::Error> {
/// let ws = Server::new(Routes::table()).build()?;
/// assert_eq!(ws.path(&Routes::room(7)), "/rooms/7");
/// # Ok(())
/// # }
/// ```
#[must_use = "a table does nothing before a server has it"]
pub struct Table<S> {
    matcher: Matcher,
    entries: &'static [Entry],
    nested: Vec<NestedTable<S>>,
}

/// A table nested below a prefix of another, without the type of its state.
struct NestedTable<S> {
    prefix: &'static [&'static str],
    assemble: Assemble<S>,
}

/// Adds the routes of a nested table, given the outer state.
type Assemble<S> = Box<dyn FnOnce(&S, Prefix, &mut Assembly<'_>) -> Result<(), RouterError> + Send>;

/// The literals before a table's own patterns.
type Prefix = Vec<&'static str>;

impl<S> Table<S> {
    /// Creates a table with these entries and this matcher.
    #[doc(hidden)]
    pub const fn new(matcher: Matcher, entries: &'static [Entry]) -> Self {
        Self {
            matcher,
            entries,
            nested: Vec::new(),
        }
    }

    /// Nests another table below a prefix of literals; its state is a part of this table's state.
    #[doc(hidden)]
    pub fn nest<I>(mut self, prefix: &'static [&'static str], inner: Table<I>) -> Self
    where
        I: FromRef<S> + Send + Sync + 'static,
    {
        let assemble = move |outer: &S, prefix: Prefix, assembly: &mut Assembly<'_>| {
            inner.assemble(I::from_ref(outer), prefix, assembly)
        };
        self.nested.push(NestedTable {
            prefix,
            assemble: Box::new(assemble),
        });
        self
    }
}

impl<S: Send + Sync + 'static> Table<S> {
    /// Resolves the table for a server. If a route leaves an option open, the server's setting
    /// applies, and then the library's default.
    ///
    /// # Errors
    ///
    /// [`RouterError`] if limits of a route contradict each other, a pattern and its prefixes have
    /// more than [`MAX_SEGMENTS`] segments, or routes of different tables match the same paths.
    #[doc(hidden)]
    pub fn into_router(
        self,
        state: S,
        hub: &Hub,
        server: &LimitOptions,
    ) -> Result<Router, RouterError> {
        let mut assembly = Assembly {
            hub,
            server,
            mounts: Vec::new(),
            shapes: Vec::new(),
        };
        self.assemble(state, Prefix::new(), &mut assembly)?;
        assembly.check_shapes()?;
        Ok(Router::new(assembly.mounts))
    }

    fn assemble(
        self,
        state: S,
        prefix: Prefix,
        assembly: &mut Assembly<'_>,
    ) -> Result<(), RouterError> {
        for nested in self.nested {
            let nested_prefix = [&prefix[..], nested.prefix].concat();
            (nested.assemble)(&state, nested_prefix, assembly)?;
        }
        let state = AnyState::new(state);
        let mut mount = Mount {
            prefix,
            matcher: self.matcher,
            routes: Vec::new(),
        };
        for entry in self.entries {
            let route = assembly.route(entry, &mount.prefix, state.clone())?;
            if mount.routes.len() <= entry.number {
                mount.routes.resize(entry.number + 1, None);
            }
            mount.routes[entry.number] = Some(Arc::new(route));
        }
        assembly.mounts.push(mount);
        Ok(())
    }
}

impl<S> fmt::Debug for Table<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.entries.iter().map(|entry| entry.spec.name);
        let nested = self.nested.iter().map(|nested| nested.prefix);
        f.debug_struct("Table")
            .field("routes", &names.collect::<Vec<_>>())
            .field("nested", &nested.collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

/// A router under construction.
struct Assembly<'s> {
    hub: &'s Hub,
    server: &'s LimitOptions,
    mounts: Vec<Mount>,
    shapes: Vec<(Vec<Segment>, String)>,
}

impl Assembly<'_> {
    fn route(
        &mut self,
        entry: &Entry,
        prefix: &[&'static str],
        state: AnyState,
    ) -> Result<Route, RouterError> {
        let spec = entry.spec;
        let path = full_pattern(prefix, spec.pattern);
        let segments = prefix.len() + entry.shape.len();
        if segments > MAX_SEGMENTS {
            return Err(RouterError::TooManySegments { path, segments });
        }
        let limits = Limits::DEFAULT.overridden_by(&spec.options.limits.or(*self.server));
        if let Err(error) = limits.check() {
            return Err(RouterError::Limit {
                name: spec.name,
                path,
                error,
            });
        }
        let literals = prefix.iter().map(|literal| Segment::Literal(literal));
        let shape = literals.chain(entry.shape.iter().copied()).collect();
        self.shapes.push((shape, path.clone()));
        let hub = self.hub.clone();
        let endpoint = Endpoint::in_table(spec.name, spec.pattern, &path, hub, state, limits);
        let endpoint = if entry.is_page_stream {
            endpoint.with_page_endpoint(entry.handler_of)
        } else {
            endpoint
        };
        Ok(Route {
            is_page_stream: entry.is_page_stream,
            spec,
            endpoint: Arc::new(endpoint),
            needs_visitor: entry.visitor || entry.start.is_some(),
            connect: entry.connect,
            start: entry.start,
            path,
            shape: entry.shape,
            rank: Rank::of(prefix.len(), entry.shape),
        })
    }

    /// Finds two patterns that differ only in names and types of parameters: no rank decides
    /// between them. Within one table, the compiler has already rejected them.
    fn check_shapes(&mut self) -> Result<(), RouterError> {
        self.shapes
            .sort_by_cached_key(|(shape, _)| shape_key(shape));
        let same = self
            .shapes
            .windows(2)
            .find(|pair| shape_key(&pair[0].0) == shape_key(&pair[1].0));
        match same {
            Some([(_, first), (_, second)]) => Err(RouterError::Conflict {
                first: first.clone(),
                second: second.clone(),
            }),
            _ => Ok(()),
        }
    }
}

/// The key that patterns of the same shape share.
fn shape_key(shape: &[Segment]) -> Vec<(u8, &'static str)> {
    let key = |segment: &Segment| match segment {
        Segment::Literal(text) => (3, *text),
        Segment::Typed(_) => (2, ""),
        Segment::Text => (1, ""),
        Segment::Rest => (0, ""),
    };
    shape.iter().map(key).collect()
}

/// The pattern preceded by the prefixes of the outer tables.
fn full_pattern(prefix: &[&str], pattern: &str) -> String {
    let mut path = String::new();
    for literal in prefix {
        path.push('/');
        path.push_str(literal);
    }
    if path.is_empty() || pattern != "/" {
        path.push_str(pattern);
    }
    path
}
