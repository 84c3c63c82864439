//! The request, and the arguments that only `init` can take from it.

use std::fmt;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use http::header::HeaderName;
use http::{HeaderMap, HeaderValue, Uri};
use serde::de::DeserializeOwned;

use super::response_headers::{ResponseHeaderError, ResponseHeaders};
use super::{
    Context, FromConnection, FromParams, HasPage, HasSession, Params, Path, Provides, State,
    TraceContext, Visitor,
};
use crate::error::Refusal;
use crate::hub::{Hub, Permit};
use crate::page::{Page, PageResume};
use crate::protocol::Deflate;
use crate::session::Session;
use crate::socket::Socket;

/// The request that asks for the connection (RFC 6455, section 4.1).
///
/// Its `Debug` output omits the query and the headers, which may contain secrets.
///
/// ```
/// use ws_server::prelude::*;
///
/// struct Chat { language: String }
///
/// #[ws_handler]
/// impl Chat {
///     fn init(handshake: &Handshake) -> Self {
///         let language = handshake.header("accept-language").unwrap_or("en");
///         Chat { language: language.to_owned() }
///     }
/// }
/// ```
#[derive(Default)]
pub struct Handshake {
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) peer: Option<SocketAddr>,
    /// The address that counts for the limit of pages; `None` if many visitors may share it.
    pub(crate) counted_address: Option<IpAddr>,
    pub(crate) protocol: Option<String>,
    pub(crate) params: Params,
    pub(crate) visitor: Visitor,
    /// What the page has received, while `init` of its handler runs.
    pub(crate) resume: Option<Arc<PageResume>>,
    pub(crate) response: ResponseHeaders,
}

/// A request that passed admission: the handshake that the application sees, and the resources of
/// its connection.
#[derive(Debug, Default)]
pub struct Admitted {
    pub(crate) handshake: Handshake,
    /// `None` in tests, for handlers of pages, whose sockets have their own, and over HTTP, where the
    /// response keeps it.
    pub(crate) permit: Option<Permit>,
    /// The negotiated compression, if any.
    pub(crate) deflate: Option<Deflate>,
}

impl Admitted {
    /// Creates a request with this target and these headers without admission, for tests.
    pub fn unchecked(uri: Uri, headers: HeaderMap) -> Self {
        let handshake = Handshake {
            uri,
            headers,
            ..Handshake::default()
        };
        Self::from(handshake)
    }
}

impl From<Handshake> for Admitted {
    fn from(handshake: Handshake) -> Self {
        Self {
            handshake,
            permit: None,
            deflate: None,
        }
    }
}

impl Handshake {
    /// The target of the request.
    pub const fn uri(&self) -> &Uri {
        &self.uri
    }

    /// The path of the request, not decoded.
    pub fn path(&self) -> &str {
        self.uri.path()
    }

    /// The query of the request, not decoded.
    pub fn query(&self) -> Option<&str> {
        self.uri.query()
    }

    /// The headers of the request.
    pub const fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The value of a header, if it is visible ASCII.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Adds a header to the response that opens the connection. A header that is added twice appears
    /// twice.
    ///
    /// If the handshake is refused, the response is the [`Refusal`] with its own headers. The
    /// connection of a page that has its handler already runs no `init`, so it adds no header; a page
    /// stream over HTTP adds none either.
    ///
    /// Browsers show a script no header of this response, but they store its cookies. A cookie for
    /// scripts of other sites, or for plain HTTP, needs attributes that only the application knows,
    /// so write the whole value.
    ///
    /// ```
    /// use http::header::SET_COOKIE;
    /// use ws_server::prelude::*;
    ///
    /// struct Game;
    ///
    /// #[ws_handler]
    /// impl Game {
    ///     fn init(handshake: &Handshake) -> Result<Self, Refusal> {
    ///         handshake.respond_with("x-served-by", "node-7").or_refuse()?;
    ///         let cookie = "last_game=chess; Path=/; Secure; HttpOnly; SameSite=Lax";
    ///         handshake.respond_with(SET_COOKIE, cookie).or_refuse()?;
    ///         Ok(Game)
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ResponseHeaderError`] if the name or the value is invalid; if the header belongs to the
    /// connection or to the handshake, as `Connection`, `Upgrade`, `Content-Length` and
    /// `Sec-WebSocket-Protocol` do; or if all headers together are longer than
    /// [`MAX_RESPONSE_HEADERS`](crate::limits::MAX_RESPONSE_HEADERS).
    pub fn respond_with<N, V>(&self, name: N, value: V) -> Result<(), ResponseHeaderError>
    where
        HeaderName: TryFrom<N>,
        HeaderValue: TryFrom<V>,
    {
        let name = HeaderName::try_from(name).map_err(|_| ResponseHeaderError::InvalidName)?;
        match HeaderValue::try_from(value) {
            Ok(value) => self.response.add(name, value),
            Err(_) => Err(ResponseHeaderError::InvalidValue { name }),
        }
    }

    /// The address of the client, if the connection has one. Behind a trusted proxy it is the
    /// forwarded address, with port 0 if the proxy does not forward the port.
    pub const fn peer_addr(&self) -> Option<SocketAddr> {
        self.peer
    }

    /// The address that counts for the limit of pages.
    pub(crate) const fn counted_address(&self) -> Option<IpAddr> {
        self.counted_address
    }

    /// The subprotocol that was chosen: the first of the route's `protocols` that the
    /// client offered (RFC 6455, section 4.2.2).
    pub fn protocol(&self) -> Option<&str> {
        self.protocol.as_deref()
    }

    /// The session, if the route or its handler asks for one and there is one.
    pub const fn session(&self) -> Option<&Session> {
        self.visitor.session.as_ref()
    }

    /// The page, if the route or its handler asks for one and there is one.
    pub const fn page(&self) -> Option<&Page> {
        self.visitor.page.as_ref()
    }

    pub(crate) const fn visitor(&self) -> &Visitor {
        &self.visitor
    }

    /// The trace that the request belongs to, from its headers `traceparent` and `tracestate`.
    /// `None` if there is none, or if `traceparent` is invalid.
    ///
    /// A client can send any trace. Trust it only if your proxy sets or removes these headers.
    pub fn trace_context(&self) -> Option<TraceContext> {
        TraceContext::of(&self.headers)
    }

    /// The parameters of the path, by name.
    pub const fn params(&self) -> &Params {
        &self.params
    }
}

impl fmt::Debug for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handshake")
            .field("path", &self.path())
            .field("peer", &self.peer)
            .field("protocol", &self.protocol)
            .finish_non_exhaustive()
    }
}

/// The request and its connection while `init` runs.
///
/// ```
/// use ws_server::Refusal;
/// use ws_server::extract::{FromHandshake, Opening};
///
/// /// Refuses clients while the server is busy.
/// struct NotBusy;
///
/// impl<'a, H, R> FromHandshake<'a, H, R> for NotBusy {
///     async fn from_handshake(opening: &'a Opening<H>) -> Result<Self, Refusal> {
///         if opening.context().hub().connection_count() > 1_000 {
///             tracing::info!(path = opening.handshake().path(), "too busy");
///             return Err(Refusal::unavailable("too busy"));
///         }
///         Ok(Self)
///     }
/// }
/// ```
#[derive(Debug)]
pub struct Opening<H> {
    pub(crate) handshake: Handshake,
    pub(crate) context: Context<H>,
}

impl<H> Opening<H> {
    /// The request.
    pub const fn handshake(&self) -> &Handshake {
        &self.handshake
    }

    /// The context that the connection provides to every hook.
    pub const fn context(&self) -> &Context<H> {
        &self.context
    }
}

/// An argument of `init`. Implement it to extract your own values from a request.
///
/// ```
/// use ws_server::error::Refusal;
/// use ws_server::extract::{FromHandshake, Opening};
///
/// /// The language that the browser prefers.
/// struct Language(String);
///
/// impl<'a, H, R> FromHandshake<'a, H, R> for Language {
///     async fn from_handshake(opening: &'a Opening<H>) -> Result<Self, Refusal> {
///         let header = opening.handshake().header("accept-language");
///         Ok(Self(header.unwrap_or("en").to_owned()))
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument of `init`",
    label = "not an argument that `init` can take",
    note = "`init` may take `&Socket<Self>`, `&Hub`, `State<T>`, `Session`, `Page`, `Resumed`, \
            `Path<T>`, `Query<T>`, `Bearer`, `Option<Bearer>`, `&Handshake`, and your own types that \
            implement `FromHandshake`"
)]
pub trait FromHandshake<'a, H, R>: Sized {
    /// Whether the argument needs the session or the page even if the route does not require one;
    /// then the session is looked up first, and is in [`Context::session`]. Set this to `true` if
    /// your own argument reads it there.
    const VISITOR: bool = false;

    /// The names of the path parameters that it takes: none, or some by name. `None` means that it
    /// may take any of them.
    const FIELDS: Option<&'static [&'static str]> = None;

    /// Makes the argument from the request.
    ///
    /// # Errors
    ///
    /// The response that the client gets instead of a connection.
    fn from_handshake(
        opening: &'a Opening<H>,
    ) -> impl Future<Output = Result<Self, Refusal>> + Send;
}

/// `init` accepts every argument that all hooks accept.
macro_rules! as_from_connection {
    ($( [$($generics:tt)*] $type:ty; )*) => {
        $(impl<'a, H, R, $($generics)*> FromHandshake<'a, H, R> for $type {
            const VISITOR: bool = <Self as FromConnection<'a, H, R>>::VISITOR;
            const FIELDS: Option<&'static [&'static str]> = Some(&[]);

            async fn from_handshake(opening: &'a Opening<H>) -> Result<Self, Refusal> {
                Ok(<Self as FromConnection<'a, H, R>>::from_connection(&opening.context))
            }
        })*
    };
}

as_from_connection! {
    [] &'a Socket<H>;
    [] Socket<H>;
    [] &'a Hub;
    [] Hub;
    [] Option<Session>;
    [] Option<Page>;
}

impl<'a, H, R: Provides<T>, T: Send> FromHandshake<'a, H, R> for State<T> {
    const FIELDS: Option<&'static [&'static str]> = Some(&[]);

    async fn from_handshake(opening: &'a Opening<H>) -> Result<Self, Refusal> {
        Ok(<Self as FromConnection<'a, H, R>>::from_connection(
            &opening.context,
        ))
    }
}

impl<'a, H, R: HasSession> FromHandshake<'a, H, R> for Session {
    const FIELDS: Option<&'static [&'static str]> = Some(&[]);

    async fn from_handshake(opening: &'a Opening<H>) -> Result<Self, Refusal> {
        Ok(<Self as FromConnection<'a, H, R>>::from_connection(
            &opening.context,
        ))
    }
}

impl<'a, H, R: HasPage> FromHandshake<'a, H, R> for Page {
    const FIELDS: Option<&'static [&'static str]> = Some(&[]);

    async fn from_handshake(opening: &'a Opening<H>) -> Result<Self, Refusal> {
        Ok(<Self as FromConnection<'a, H, R>>::from_connection(
            &opening.context,
        ))
    }
}

impl<'a, H, R> FromHandshake<'a, H, R> for &'a Handshake {
    async fn from_handshake(opening: &'a Opening<H>) -> Result<Self, Refusal> {
        Ok(&opening.handshake)
    }
}

impl<'a, H, R, T: FromParams<R> + Send> FromHandshake<'a, H, R> for Path<T> {
    const FIELDS: Option<&'static [&'static str]> = T::FIELDS;

    async fn from_handshake(opening: &'a Opening<H>) -> Result<Self, Refusal> {
        T::from_params(&opening.handshake.params).map(Self)
    }
}

/// The query of the request, decoded as a `T`; in `init` only. A query that does not decode is
/// refused with 400.
///
/// ```
/// use serde::Deserialize;
/// use ws_server::extract::Query;
///
/// #[derive(Deserialize)]
/// struct Filter {
///     topic: String,
///     #[serde(default)]
///     since: u64,
/// }
///
/// /// Takes `/feed?topic=news&since=7`.
/// fn init(Query(filter): Query<Filter>) -> String {
///     format!("{} since {}", filter.topic, filter.since)
/// }
/// # assert_eq!(init(Query(Filter { topic: "news".to_owned(), since: 7 })), "news since 7");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Query<T>(pub T);

impl<'a, H, R, T: DeserializeOwned + Send> FromHandshake<'a, H, R> for Query<T> {
    const FIELDS: Option<&'static [&'static str]> = Some(&[]);

    async fn from_handshake(opening: &'a Opening<H>) -> Result<Self, Refusal> {
        let query = opening.handshake.query().unwrap_or("");
        // The error quotes the query, so it is neither logged nor sent.
        serde_urlencoded::from_str(query).map(Self).map_err(|_| {
            tracing::debug!("the query could not be decoded");
            Refusal::BAD_REQUEST.body("the query is not valid for this route")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_debug_output_of_a_handshake_hides_secrets() {
        let headers = [
            ("cookie", "z_sid=secret"),
            ("authorization", "Bearer secret"),
            ("sec-websocket-protocol", "v1.chat, bearer, secret"),
        ];
        let headers = headers.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        let uri = Uri::from_static("/chat?token=secret");
        let handshake = Handshake {
            uri,
            headers: HeaderMap::from_iter(headers),
            peer: Some(([127, 0, 0, 1], 80).into()),
            protocol: Some("v1.chat".to_owned()),
            ..Handshake::default()
        };
        assert_eq!(
            format!("{handshake:?}"),
            r#"Handshake { path: "/chat", peer: Some(127.0.0.1:80), protocol: Some("v1.chat"), .. }"#
        );
    }
}
