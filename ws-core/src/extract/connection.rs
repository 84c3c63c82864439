//! The route and the context that a connection provides to every hook.

use std::sync::Arc;

use super::{AnyState, Ended, HasPage, HasSession, Provides, State};
use crate::close::{Close, CloseCause, CloseReason};
use crate::hook::RouteNumber;
use crate::hub::Hub;
use crate::id::ConnectionKind;
use crate::limits::Limits;
use crate::mailbox::Accepts;
use crate::page::Page;
use crate::session::Session;
use crate::socket::{RouteContext, Socket};
use crate::stats::RouteCounters;
use crate::wire::max_encoded_len;

/// One route of a running server, shared by its connections.
#[derive(Debug)]
pub struct Endpoint {
    name: &'static str,
    pattern: &'static str,
    hub: Hub,
    state: AnyState,
    route_context: Arc<RouteContext>,
    /// The same route for the handlers of its pages, if pages attach to it.
    for_pages: Option<Arc<Endpoint>>,
}

impl Endpoint {
    /// Creates the endpoint for this name and pattern, with the state of its table and its limits.
    pub fn new(
        name: &'static str,
        pattern: &'static str,
        hub: Hub,
        state: AnyState,
        limits: Limits,
    ) -> Self {
        Self::in_table(name, pattern, pattern, hub, state, limits)
    }

    /// Same as [`new`](Self::new), for a route whose whole pattern is `path`.
    pub(crate) fn in_table(
        name: &'static str,
        pattern: &'static str,
        path: &str,
        hub: Hub,
        state: AnyState,
        limits: Limits,
    ) -> Self {
        let counters = hub.counters().route(path);
        let route_context = Arc::new(RouteContext {
            limits: limits.clamped(),
            route: RouteNumber::of(pattern),
            topics: hub.topics().clone(),
            presence: hub.presence().clone(),
            kind: ConnectionKind::Socket,
            hooks: Some(counters.hooks().clone()),
            counters,
        });
        Self {
            name,
            pattern,
            hub,
            state,
            route_context,
            for_pages: None,
        }
    }

    /// Makes this a route that pages attach to: `max_message` applies to the messages they carry.
    pub(crate) fn with_page_endpoint(self, attachment: HandlerOf) -> Self {
        let limits = *self.limits();
        let counters = &self.route_context.counters;
        let hooks = counters.hooks();
        let route_context = |limits, kind, counters, hooks| {
            let topics = self.hub.topics().clone();
            let presence = self.hub.presence().clone();
            Arc::new(RouteContext {
                limits,
                route: self.route_context.route,
                topics,
                presence,
                kind,
                counters,
                hooks,
            })
        };
        // The messages of a page are counted at its sockets, the hooks at its handler.
        let of_page = Arc::new(RouteCounters::new(self.pattern.to_owned()));
        let page_context = |limits| {
            let hooks = Some(hooks.clone());
            route_context(limits, ConnectionKind::PageHandler, of_page, hooks)
        };
        let hooks_of_sockets = match attachment {
            HandlerOf::Socket => Some(hooks.clone()),
            HandlerOf::Page => None,
        };
        // A page's handler has no socket of its own that could go silent, and its sockets apply the
        // rate. Each acknowledgement of the page is progress, even if the messages are small.
        let inner = Limits {
            stall_bytes: 1,
            ping: None,
            idle: None,
            rate: None,
            ..limits
        };
        let page_endpoint = Self {
            state: self.state.clone(),
            hub: self.hub.clone(),
            route_context: page_context(inner),
            for_pages: None,
            ..self
        };
        let outer = Limits {
            max_message: max_encoded_len(limits.max_message),
            ..limits
        };
        Self {
            route_context: route_context(
                outer,
                ConnectionKind::Socket,
                counters.clone(),
                hooks_of_sockets,
            ),
            for_pages: Some(Arc::new(page_endpoint)),
            ..self
        }
    }

    /// The same route for the handlers of its pages.
    pub(crate) const fn page_endpoint(&self) -> Option<&Arc<Self>> {
        self.for_pages.as_ref()
    }

    /// The name of the route in its table.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The pattern of the route.
    pub const fn pattern(&self) -> &'static str {
        self.pattern
    }

    /// The hub of the server.
    pub const fn hub(&self) -> &Hub {
        &self.hub
    }

    /// The state of the route's table.
    pub const fn state(&self) -> &AnyState {
        &self.state
    }

    /// The limits of the route, with all defaults applied.
    pub fn limits(&self) -> &Limits {
        &self.route_context.limits
    }

    /// The number of the route's pattern.
    pub(crate) fn route(&self) -> RouteNumber {
        self.route_context.route
    }

    pub(crate) fn route_context(&self) -> &Arc<RouteContext> {
        &self.route_context
    }
}

/// How long the handlers of a route live.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum HandlerOf {
    /// As long as a connection.
    Socket,
    /// As long as a page: `attach: page`.
    Page,
}

/// The context that a connection provides to its hooks.
///
/// ```
/// use ws_server::extract::{Context, FromConnection};
///
/// /// A greeting for the user, in every hook but `init`.
/// struct Greeting(String);
///
/// impl<'a, H, R> FromConnection<'a, H, R> for Greeting {
///     const VISITOR: bool = true;
///
///     fn from_connection(context: &'a Context<H>) -> Self {
///         let user = context.session().and_then(|session| session.user());
///         Self(format!("Hello, {}!", user.unwrap_or("guest")))
///     }
/// }
/// ```
#[derive(Debug)]
pub struct Context<H> {
    pub(crate) socket: Socket<H>,
    pub(crate) endpoint: Arc<Endpoint>,
    pub(crate) visitor: Option<Arc<Visitor>>,
}

/// The session and the page of a connection, if the route or its handler asks for them.
#[derive(Clone, Debug, Default)]
pub struct Visitor {
    /// The session, if there is one.
    pub session: Option<Session>,
    /// The page, if there is one.
    pub page: Option<Page>,
}

impl<H> Clone for Context<H> {
    fn clone(&self) -> Self {
        Self {
            socket: self.socket.clone(),
            endpoint: self.endpoint.clone(),
            visitor: self.visitor.clone(),
        }
    }
}

impl<H> Context<H> {
    /// The handle of the connection.
    pub fn socket(&self) -> &Socket<H> {
        &self.socket
    }

    /// The span of the connection's log lines.
    pub(crate) fn span(&self) -> &tracing::Span {
        self.socket.shared().span()
    }

    /// The hub of the server.
    pub fn hub(&self) -> &Hub {
        &self.endpoint.hub
    }

    /// The state of the route's table.
    #[doc(hidden)]
    pub fn state(&self) -> &AnyState {
        &self.endpoint.state
    }

    /// Takes the next notification, for a call of `info`. If the value of a topic cannot be
    /// decoded, closes the connection with 1011.
    #[doc(hidden)]
    pub fn next_notification<T: Send + 'static>(&self) -> Option<T>
    where
        H: Accepts<T>,
    {
        let shared = self.socket.shared();
        let next = shared.mailbox().next::<T>()?;
        // The mailbox has room now, so a waiting task can continue.
        shared.changed().notify_waiters();
        let decoded = next.decode();
        if decoded.is_none() {
            shared.close(&Close::internal(), CloseCause::HookError);
        }
        decoded
    }

    /// The session, if the connection has one.
    pub fn session(&self) -> Option<&Session> {
        self.visitor
            .as_deref()
            .and_then(|visitor| visitor.session.as_ref())
    }

    /// The page, if the connection has one.
    pub fn page(&self) -> Option<&Page> {
        self.visitor
            .as_deref()
            .and_then(|visitor| visitor.page.as_ref())
    }
}

/// An argument that every hook may take, on routes `R` that provide it.
///
/// ```
/// use ws_server::extract::{Context, FromConnection};
/// use ws_server::prelude::*;
///
/// /// The number of connections of the server.
/// struct Load(usize);
///
/// impl<'a, H, R> FromConnection<'a, H, R> for Load {
///     fn from_connection(context: &'a Context<H>) -> Self {
///         Self(context.hub().connection_count())
///     }
/// }
///
/// struct Status;
///
/// #[ws_handler]
/// impl Status {
///     fn init() -> Self { Status }
///
///     fn message(&mut self, _: String, Load(connections): Load) -> String {
///         connections.to_string()
///     }
/// }
/// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
/// #     .block_on(async {
/// # let kit = ws_server::testkit::TestKit::new();
/// # let mut client = kit.handler::<Status>().connect().await.unwrap();
/// # client.send("load?").await;
/// # assert_eq!(client.text().await, "1");
/// # });
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument of this hook",
    label = "not an argument that this hook can take",
    note = "every hook may take `&Socket<Self>`, `&Hub`, `State<T>`, `Session`, `Page`, \
            `Option<Session>` and `Option<Page>`",
    note = "`Path<T>`, `Query<T>`, `Bearer`, `Resumed`, `&Handshake` and your own `FromHandshake` \
            types are available \
            only in `init`, because a connection does not keep its request: store the values that you need in a field"
)]
pub trait FromConnection<'a, H, R>: Sized {
    /// Whether the argument needs the session or the page even if the route does not require one;
    /// then the session is looked up.
    const VISITOR: bool = false;

    /// Makes the argument from the connection.
    fn from_connection(context: &'a Context<H>) -> Self;
}

impl<'a, H, R> FromConnection<'a, H, R> for &'a Socket<H> {
    fn from_connection(context: &'a Context<H>) -> Self {
        &context.socket
    }
}

impl<H, R> FromConnection<'_, H, R> for Socket<H> {
    fn from_connection(context: &Context<H>) -> Self {
        context.socket.clone()
    }
}

impl<'a, H, R> FromConnection<'a, H, R> for &'a Hub {
    fn from_connection(context: &'a Context<H>) -> Self {
        context.hub()
    }
}

impl<H, R> FromConnection<'_, H, R> for Hub {
    fn from_connection(context: &Context<H>) -> Self {
        context.hub().clone()
    }
}

impl<H, R: Provides<T>, T> FromConnection<'_, H, R> for State<T> {
    fn from_connection(context: &Context<H>) -> Self {
        Self(R::provide(context.state()))
    }
}

impl<H, R: HasSession> FromConnection<'_, H, R> for Session {
    fn from_connection(context: &Context<H>) -> Self {
        context
            .session()
            .cloned()
            .expect("admission requires a session on this route")
    }
}

impl<H, R: HasPage> FromConnection<'_, H, R> for Page {
    fn from_connection(context: &Context<H>) -> Self {
        context
            .page()
            .cloned()
            .expect("admission requires a page on this route")
    }
}

impl<H, R> FromConnection<'_, H, R> for Option<Session> {
    const VISITOR: bool = true;

    fn from_connection(context: &Context<H>) -> Self {
        context.session().cloned()
    }
}

impl<H, R> FromConnection<'_, H, R> for Option<Page> {
    const VISITOR: bool = true;

    fn from_connection(context: &Context<H>) -> Self {
        context.page().cloned()
    }
}

/// Only `terminate` can take it: only there the marker of the route is [`Ended`].
impl<H, R> FromConnection<'_, H, Ended<R>> for CloseReason {
    fn from_connection(context: &Context<H>) -> Self {
        context
            .socket
            .shared()
            .ending()
            .expect("`terminate` runs when the connection has ended")
    }
}
