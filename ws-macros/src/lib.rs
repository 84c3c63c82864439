//! The macros of `ws-server`. Use them through that crate, which documents them where it
//! re-exports them and has what their expansions name.
//!
//! Each macro is a pipeline: tokens are read into a typed tree, rules report every mistake
//! into one collection of errors, and what is right is expanded.

#![forbid(unsafe_code)]
#![allow(
    unreachable_pub,
    reason = "nothing but its macros can be reached in such a crate"
)]

mod condition;
mod crate_path;
mod dispatch;
mod errors;
mod from_ref;
mod handler;
mod main_attr;
mod manifest;
mod path_params;
mod source;
#[cfg(test)]
mod tests;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// Makes a WebSocket handler of an impl block.
///
/// The block has a method `init` and any of `message`, `info` and `terminate`. Each may be
/// a `fn` or an `async fn`; the block may have other methods and items beside them.
///
/// | hook | when | takes | returns |
/// |---|---|---|---|
/// | `init` | a client connects, before it is answered | what is found in the request | `Self`, or `Result<Self, E>` with `E: Into<Refusal>` |
/// | `message` | a whole message came | `&mut self`, the message | a reply |
/// | `info` | a notification came | `&mut self`, the notification | a reply |
/// | `terminate` | once, when the connection has ended | `self` or `&mut self`, `CloseReason` if wanted | nothing |
///
/// After these, every hook may take further arguments in any order, found by their types:
/// `&Socket<Self>`, `&Hub`, `State<T>`, `Session`, `Page`; `init` also takes `Path<T>`,
/// `Query<T>`, `Bearer`, `Option<Bearer>`, `&Handshake` and any type that implements
/// `FromHandshake`.
///
/// ```text
/// struct Echo;
///
/// #[ws_handler]
/// impl Echo {
///     fn init() -> Self {
///         Echo
///     }
///
///     fn message(&mut self, text: String) -> String {
///         text
///     }
/// }
/// ```
///
/// `#[ws_handler(sends(Event, Notice))]` lists the types of what the handler sends beside its
/// replies; anything else does not compile. Without `sends` it may send everything: see
/// `socket::Sends`.
///
/// Where the library is known under another name, say which:
/// `#[ws_handler(crate = ::my_framework::ws)]`.
#[proc_macro_attribute]
pub fn ws_handler(arguments: TokenStream, item: TokenStream) -> TokenStream {
    handler::expand(arguments.into(), &item.into()).into()
}

/// Runs an `async fn main` on a runtime that is set up for many connections.
///
/// It is what `#[tokio::main]` is, with settings under which busy connections do not
/// starve one another. `#[ws_server::main(workers = 1)]` runs everything on one thread;
/// without it there is a thread for each processor.
///
/// ```text
/// #[ws_server::main]
/// async fn main() -> Result<(), ws_server::Error> {
///     Server::new(Routes::table()).build()?.run("127.0.0.1:3030").await
/// }
/// ```
#[proc_macro_attribute]
pub fn main(arguments: TokenStream, item: TokenStream) -> TokenStream {
    main_attr::expand(arguments.into(), &item.into()).into()
}

/// Declares a routing table: which handler is behind which path, and with which options.
///
/// ```text
/// dispatch! {
///     /// Documentation of the table.
///     pub struct Routes;
///     state: App;                                       // what `State<T>` is taken from
///     defaults { require_session: false, ping: 20s }    // options of every route
///
///     news:  "/news"                => News;
///     user:  "/users/{name}"        => User;            // `Path<String>`
///     room:  "/rooms/{id: u64}"     => Room { max_message: 16 KiB };
///     files: "/files/{*rest}"       => Files;           // zero or more segments
///     admin: "/admin"               => use crate::admin::Routes;
/// }
/// ```
///
/// `Routes::table()` is what `Server::new` takes. Every route has a function of its name that
/// makes a URL: `Routes::room(42)` prints `/rooms/42`; `Routes::admin(url)` puts a URL of the
/// nested table under the prefix.
///
/// # Paths
///
/// Doubled and trailing slashes do not count; segments are percent-decoded before they are
/// compared (RFC 3986, section 2.1). `{name: Type}` matches where `Type` reads the segment with
/// `FromStr`. The most specific route wins, segment by segment: literal, typed parameter,
/// `String`, rest. Two routes that match the same path, where neither is more specific, are an
/// error that shows such a path.
///
/// # Options
///
/// | option | value | default |
/// |---|---|---|
/// | `require_session` | `true`, `false` | `true` |
/// | `require_page` | `true`, `false` | as `require_session` |
/// | `origins` | `same`, `any`, `["https://a.example", …]` | `same`, or what the server says |
/// | `cross_site` | `"why"`: the reason for `origins: any` beside a session | none |
/// | `protocols` | `["v2.chat", "v1.chat"]`, the most wanted first | none |
/// | `deflate` | `true`, `false`: compressed with clients that offer it, see below | `false` |
/// | `start` | the path of a function, see below | none |
/// | `attach` | `page`, see below: the handler lives as long as the page | as the connection |
/// | `max_message` | size; past it 1009 | `64 KiB` |
/// | `outbox`, `outbox_frames` | size, number: what may wait for the client | `1 MiB`, `1024` |
/// | `on_full` | `close` (1013), `refuse` (an error of `send`) | `close` |
/// | `mailbox`, `timers`, `tasks` | number | `256`, `256`, `64` |
/// | `subscriptions` | number: topics of one connection; past it 1011 | `1024` |
/// | `read_ahead` | size: what is read while a hook waits | `64 KiB` |
/// | `rate` | `20/s`, `100/m`, `off`; past it 1008 | `off` |
/// | `ping` | time, `off`: after so long without anything received | `25s` |
/// | `idle` | time, `off`: nothing received, closed; not counted while frames wait | `60s` |
/// | `stall`, `stall_bytes` | time, size: the client takes less in this time while frames wait, closed | `30s`, `4 KiB` |
/// | `init_timeout` | time; past it 503 | `10s` |
/// | `hook_timeout` | time; past it 1011 | `30s` |
/// | `close_timeout`, `terminate_timeout` | time | `5s` |
///
/// `origins` says whose pages may connect. `same` is the server's own origin, and a list adds to it.
/// What `Server::any_origin` allows does not reach routes that require a session: a page anywhere
/// could act with the cookies of its visitors, and only `origins: any` at the route allows that,
/// together with the reason: `cross_site: "an embedded map, which only reads"`.
///
/// Sizes are `100 B`, `16 KiB`, `1 MiB` (a plain number is bytes), times `500ms`, `0.5s`, `25s`,
/// `2m`, `1h`.
///
/// Numbers, sizes, times and rates may also be constants: `max_message: MESSAGE`,
/// `ping: limits::PING`. Numbers and sizes (in bytes) are of type `usize`, times are a `Duration`,
/// rates a `Rate`. A constant is checked as a literal is, when the program is compiled. All other
/// options are literal, because the table is checked before constants have values.
///
/// # Start
///
/// `start: path::to::function` names a plain function that is asked of every handshake, after
/// all other checks and before `init`. It takes `&Handshake`, which knows the subprotocol.
/// Returning `Result<(), E>` with `E: Into<Refusal>`, it keeps the connection or refuses it.
/// Returning `Start<R>`, or a `Result` of it, it may also choose another handler; it is generic
/// over the route then, and its bounds say what it may choose:
///
/// ```text
/// fn by_version<R>(handshake: &Handshake) -> Start<R>
/// where
///     V1: Handler<R>,
/// {
///     match handshake.protocol() {
///         Some("v1.devices") => Start::with::<V1>(),
///         _ => Start::keep(),
///     }
/// }
/// ```
///
/// The arguments that `V1` takes must be there on the route, as those of its own handler.
///
/// # Compression
///
/// With `deflate: true` messages go compressed, in both directions, where the client offers
/// permessage-deflate (RFC 7692), as browsers do. Each message is compressed by itself, so that an
/// open connection costs no memory for it; what is below 256 bytes, or would not get smaller, is
/// sent as it is. `max_message` bounds a message before and after it is inflated. What is
/// published is compressed once for all subscribers. It takes some processor time for each message:
/// worth it for text over slow lines, and not within a data centre.
///
/// Where a message holds a secret and something that an attacker can choose, its size may tell
/// the secret: leave such routes without.
///
/// # Attached to a page
///
/// With `attach: page` one value of the handler lives as long as the page that a visitor has
/// open, over all connections that the page makes: `init` runs for the first of them, and
/// `terminate` when the page is closed, or has been away for longer than its grace time. What is
/// sent meanwhile arrives once and in order.
///
/// ```text
/// dash: "/dash" => Dashboard { attach: page };
/// ```
///
/// The other side is the client of this library, or one that speaks the protocol of pages. That
/// has its own subprotocol, so that such a route takes no `protocols`. It needs a session and a
/// page, and takes no `start`, which could choose a handler that is not attached: `init` refuses.
///
/// # State
///
/// With `state: App;` handlers may take `State<T>` for `App` and for everything that is
/// `FromRef<App>`. A nested table has a state of its own, which must be `FromRef` of the outer's.
///
/// Where the library is known under another name, say which with `crate: ::my_framework::ws;`.
#[proc_macro]
pub fn dispatch(input: TokenStream) -> TokenStream {
    dispatch::expand(input.into()).into()
}

/// Makes each field of a struct a part of the state that `State<T>` can ask for.
///
/// A part is cloned whenever a hook takes it, so keep shared things behind an `Arc`. A
/// field with `#[from_ref(skip)]` is no part. `State<App>` for the whole needs no derive.
///
/// ```text
/// #[derive(Clone, FromRef)]
/// struct App {
///     db: Arc<Db>,
///     config: Arc<Config>,
///     #[from_ref(skip)]
///     started: Instant,
/// }
/// ```
#[proc_macro_derive(FromRef, attributes(from_ref))]
pub fn from_ref(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    from_ref::expand(&input).into()
}

/// Reads the parameters of a route into a struct, each into the field of its name.
///
/// ```text
/// // A route "/rooms/{room: u64}/users/{user}".
/// #[derive(PathParams)]
/// struct Place {
///     room: u64,
///     user: String,
/// }
/// ```
#[proc_macro_derive(PathParams, attributes(path_params))]
pub fn path_params(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    path_params::expand(&input).into()
}
