//! The macros of `ws-server`. Use them through that crate, which re-exports and documents them, and
//! contains the items that their expansions use.
//!
//! Each macro is a pipeline: it parses tokens into a typed tree, checks rules that collect every
//! mistake in one list of errors, and expands the correct parts.

#![forbid(unsafe_code)]

mod block;
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
mod topics;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// Turns an impl block into a WebSocket handler.
///
/// The block has a method `init` and any of `message`, `info` and `terminate`. Each may be a `fn`
/// or an `async fn`; the block may also have other methods and items.
///
/// | hook | when | takes | returns |
/// |---|---|---|---|
/// | `init` | a client connects, before it is answered | values from the request | `Self`, or `Result<Self, E>` with `E: Into<Refusal>` |
/// | `message` | a whole message has arrived | `&mut self`, the message | a reply |
/// | `info` | a notification has arrived | `&mut self`, the notification | a reply |
/// | `terminate` | once, when the connection has ended | `self` or `&mut self`, and `CloseReason` if wanted | nothing |
///
/// After these, every hook may take further arguments in any order, which are selected by their
/// types: `&Socket<Self>`, `&Hub`, `State<T>`, `Session`, `Page`; `init` also takes `Path<T>`,
/// `Query<T>`, `Bearer`, `Option<Bearer>`, `&Handshake` and any type that implements
/// `FromHandshake`.
///
/// ```
/// use ws_server::prelude::*;
///
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
/// `#[ws_handler(sends(Event, Notice))]` lists the types that the handler sends in addition to its
/// replies; other types do not compile. Without `sends` it may send every type: see
/// `socket::Sends`.
///
/// If the crate has the library under another name, set its path: `#[ws_handler(crate =
/// ::my_framework::ws)]`.
#[proc_macro_attribute]
pub fn ws_handler(arguments: TokenStream, item: TokenStream) -> TokenStream {
    handler::expand(arguments.into(), &item.into()).into()
}

/// Runs an `async fn main` on a runtime that is configured for many connections.
///
/// It is like `#[tokio::main]`, but its settings keep busy connections from starving one another.
/// `#[ws_server::main(workers = 1)]` runs everything on one thread; without `workers` there is a
/// thread for each processor.
///
/// ```no_run
/// use ws_server::prelude::*;
///
/// # struct Echo;
/// # #[ws_handler]
/// # impl Echo { fn init() -> Self { Echo } }
/// dispatch! {
///     pub struct Routes;
///     echo: "/echo" => Echo;
/// }
///
/// #[ws_server::main]
/// async fn main() -> Result<(), ws_server::Error> {
///     Server::new(Routes::table()).build()?.run("127.0.0.1:3030").await
/// }
/// ```
#[proc_macro_attribute]
pub fn main(arguments: TokenStream, item: TokenStream) -> TokenStream {
    main_attr::expand(arguments.into(), &item.into()).into()
}

/// Declares a routing table: the handler and the options of each path.
///
/// ```
/// # use ws_server::prelude::*;
/// # macro_rules! handlers { ($($name:ident($($type:ty)?))*) => { $(
/// #     struct $name;
/// #     #[ws_handler] impl $name { fn init($(_: Path<$type>)?) -> Self { $name } }
/// # )* } }
/// # mod admin {
/// #     use ws_server::prelude::*;
/// #     handlers! { Log() }
/// #     dispatch! { pub struct Routes; log: "/log" => Log; }
/// # }
/// # handlers! { News() User(String) Room(u64) Files(String) }
/// # #[derive(Clone)] struct App;
/// dispatch! {
///     /// Documentation of the table.
///     pub struct Routes;
///     state: App;                                       // the source of every `State<T>`
///     defaults { require_session: false, ping: 20s }    // options of every route
///
///     news:  "/news"                => News;
///     user:  "/users/{name}"        => User;            // `Path<String>`
///     room:  "/rooms/{id: u64}"     => Room { max_message: 16 KiB };
///     files: "/files/{*rest}"       => Files;           // zero or more segments
///     admin: "/admin"               => use admin::Routes;
/// }
///
/// assert_eq!(Routes::room(42).to_string(), "/rooms/42");
/// ```
///
/// Pass `Routes::table()` to `Server::new`. For every route there is a function of its name that
/// returns a URL: `Routes::room(42)` prints `/rooms/42`; `Routes::admin(url)` puts a URL of the
/// nested table below the prefix.
///
/// # Paths
///
/// Doubled and trailing slashes are ignored; segments are percent-decoded before they are compared
/// (RFC 3986, section 2.1). `{name: Type}` matches if `Type` can be parsed from the segment with
/// `FromStr`. The most specific route wins, segment by segment: literal, typed parameter, `String`,
/// rest. If two routes match the same path and neither is more specific, this is an error that
/// shows such a path.
///
/// # Options
///
/// | option | value | default |
/// |---|---|---|
/// | `require_session` | `true`, `false` | `true` |
/// | `require_page` | `true`, `false` | as `require_session` |
/// | `origins` | `same`, `any`, `["https://a.example", …]` | `same`, or the server's setting |
/// | `cross_site` | `"why"`: the reason for `origins: any` with a session | none |
/// | `protocols` | `["v2.chat", "v1.chat"]`, in order of preference | none |
/// | `deflate` | `true`, `false`: compressed with clients that offer it, see below | `false` |
/// | `start` | the path of a function, see below | none |
/// | `attach` | `page`, see below: the handler lives as long as the page | as the connection |
/// | `max_message` | size; above it 1009 | `64 KiB` |
/// | `outbox`, `outbox_frames` | size, number: limits of the client's queue | `1 MiB`, `1024` |
/// | `on_full` | `close` (1013), `refuse` (an error of `send`) | `close` |
/// | `mailbox`, `timers`, `tasks` | number | `256`, `256`, `64` |
/// | `subscriptions` | number: topics of one connection; above it 1011 | `1024` |
/// | `read_ahead` | size: bytes that are read while a hook waits | `64 KiB` |
/// | `rate` | `20/s`, `100/m`, `off`; above it 1008 | `off` |
/// | `ping` | time, `off`: sent after this silence of the client | `25s` |
/// | `idle` | time, `off`: closed after this silence; not while frames wait | `60s` |
/// | `stall`, `stall_bytes` | time, size: closed if less is read in this time while frames wait | `30s`, `4 KiB` |
/// | `init_timeout` | time; after it 503 | `10s` |
/// | `hook_timeout` | time; after it 1011 | `30s` |
/// | `close_timeout`, `terminate_timeout` | time | `5s` |
///
/// `origins` selects the origins whose pages may connect. `same` is the server's own origin, and a
/// list adds to it. `Server::any_origin` does not apply to routes that require a session, because a
/// page anywhere could act with the cookies of its visitors. Only `origins: any` at the route
/// allows that, together with the reason: `cross_site: "an embedded map, which only reads"`.
///
/// Sizes are `100 B`, `16 KiB`, `1 MiB` (a plain number is bytes), times `500ms`, `0.5s`, `25s`,
/// `2m`, `1h`.
///
/// Numbers, sizes, times and rates may also be constants: `max_message: MESSAGE`, `ping:
/// limits::PING`. Numbers and sizes (in bytes) have the type `usize`, times `Duration`, rates
/// `Rate`. A constant is checked like a literal, when the program is compiled. All other options
/// must be literals, because the table is checked before constants have values.
///
/// # Start
///
/// `start: path::to::function` names a plain function that is called for every handshake, after all
/// other checks and before `init`. It takes `&Handshake`, which contains the subprotocol. If it
/// returns `Result<(), E>` with `E: Into<Refusal>`, it accepts the connection or refuses it. If it
/// returns `Start<R>`, or a `Result` of it, it may also choose another handler; it is then generic
/// over the route, and its bounds list the handlers that it may choose:
///
/// ```
/// # use ws_server::prelude::*;
/// # struct V1;
/// # #[ws_handler] impl V1 { fn init() -> Self { V1 } }
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
/// The route must provide the arguments of `V1`, as it must those of its own handler.
///
/// # Compression
///
/// With `deflate: true`, messages are compressed in both directions if the client offers
/// permessage-deflate (RFC 7692), as browsers do. Each message is compressed by itself, so an open
/// connection costs no memory for it. A message below 256 bytes, or one that would not get smaller,
/// is sent uncompressed. `max_message` bounds a message before and after it is inflated. A
/// published message is compressed once for all subscribers. Compression takes some CPU time
/// for each message: use it for text over slow links, and not within a data centre.
///
/// If a message contains both a secret and text that an attacker can choose, its size may reveal
/// the secret: do not enable compression on such routes.
///
/// # Attached to a page
///
/// With `attach: page`, one value of the handler lives as long as the page that a visitor has open,
/// over all connections of the page: `init` runs for the first of them, and `terminate` when the
/// page is closed, or has been disconnected for longer than its grace time. Messages sent in the
/// meantime arrive once and in order.
///
/// ```
/// # use ws_server::prelude::*;
/// # struct Dashboard;
/// # #[ws_handler] impl Dashboard { fn init() -> Self { Dashboard } }
/// dispatch! {
///     pub struct Routes;
///     dash: "/dash" => Dashboard { attach: page };
/// }
/// ```
///
/// The peer must be the browser client of this library, or one that implements the page protocol.
/// That protocol has its own subprotocol, so such a route takes no `protocols`. The route requires
/// a page, and takes no `start`, which could choose a handler that is not attached; use `init` to
/// refuse.
///
/// With `require_session: false`, a client without cookies, such as a device, gets a page of its
/// own. Its id is in the first `welcome`, and the client returns with it. Such a page has no session,
/// whatever the client's cookies are: `Session` is not an argument on such a route, `Option<Session>`
/// and `Page` are. Visitors who come from a rendered page keep that page and its session. Write
/// `PageStream { attach: page, require_session: false }` for a route without a handler of your own.
///
/// # State
///
/// With `state: App;`, handlers may take `State<T>` for `App` and for every type that implements
/// `FromRef<App>`. A nested table has its own state, which must implement `FromRef` of the outer
/// state.
///
/// If the crate has the library under another name, set its path with `crate: ::my_framework::ws;`.
#[proc_macro]
pub fn dispatch(input: TokenStream) -> TokenStream {
    dispatch::expand(input.into()).into()
}

/// Declares topics: the names, the type of the values and the options of each.
///
/// ```
/// # use serde::{Deserialize, Serialize};
/// use ws_server::prelude::*;
///
/// # #[derive(Serialize)] pub struct Event { text: String }
/// # #[derive(Serialize, Deserialize)] pub struct Member { name: String }
/// # #[derive(Serialize)] pub struct Tick { cents: u32 }
/// # #[derive(Serialize)] pub struct Typist { name: String }
/// topics! {
///     /// Names the block. Optional: without it, the block cannot be compared with others.
///     pub struct Topics;
///
///     /// The messages of a room: the last hundred for ten minutes, and its members.
///     pub Room:   "room/{id: u64}"          => Event  { history: 100, keep: 10m, presence: Member };
///     /// The newest price.
///     pub Price:  "price/{symbol}"          => Tick   { history: latest, keep: 1h };
///     /// Best effort: bypasses the log.
///     pub Typing: "room/{room: u64}/typing" => Typist { relay: live };
///     pub Lobby:  "lobby"                   => String;
/// }
///
/// assert_eq!(Room(7).name(), "room/7");
/// assert_eq!(Price("a/b".to_owned()).name(), "price/a%2Fb");
/// ```
///
/// Each line declares a type, and each value of it is one topic: `struct Room(pub u64)`, with a
/// field for each parameter and the visibility of the line. It is `Clone`, `PartialEq`, `Eq`,
/// `Hash` and `Debug`, and `Copy` if all parameters are integers, `bool` or `char`. A line can add
/// others: `#[derive(Serialize)]`. It implements [`DeclaredTopic`] and the traits of its options.
///
/// [`DeclaredTopic`]: https://docs.rs/ws-server/latest/ws_server/topic/trait.DeclaredTopic.html
///
/// # Names
///
/// A pattern consists of segments between slashes, and begins with none. `{symbol}` is a `String`;
/// `{id: Type}` is any type that is `Display`, `Clone`, `Eq`, `Hash`, `Debug`, `Send` and `Sync`.
/// Parameters are percent-encoded, so that no text can name another topic: an encoded text contains
/// no slash. A name has at most 256 bytes: the end of a longer one is replaced by a hash.
///
/// Two topics may have no name in common: `"room/{x}"` and `"room/lobby"` both name "room/lobby".
/// The types of parameters are not compared.
///
/// # Values
///
/// The type after `=>` is any that can be published: text, bytes, and every `Serialize`. Another
/// type does not compile in `publish`.
///
/// # Options
///
/// | option | value | default |
/// |---|---|---|
/// | `history` | number up to 10,000, or `latest`: messages for clients that subscribe later | none |
/// | `keep` | time from `1s` to `24h`, for which a message is kept; required with `history` | |
/// | `presence` | type of a member | no members |
/// | `relay` | `live`: bypasses the log; without history and presence | logged |
///
/// Times are `500ms`, `90s`, `10m` or `1h`. Numbers and times may also be constants of type `usize`
/// and `Duration`: `history: MESSAGES`, `keep: limits::KEEP`. A constant is checked like a literal,
/// when the program is compiled.
///
/// If the crate has the library under another name, set its path with `crate: ::my_framework::ws;`.
#[proc_macro]
pub fn topics(input: TokenStream) -> TokenStream {
    topics::expand(input.into()).into()
}

/// Makes each field of a struct a part of the state that `State<T>` can extract.
///
/// A part is cloned whenever a hook takes it, so keep shared values behind an `Arc`. A field with
/// `#[from_ref(skip)]` is not a part. `State<App>` for the whole state needs no derive.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Instant;
/// use ws_server::prelude::*;
///
/// # struct Db;
/// # struct Config;
/// #[derive(Clone, FromRef)]
/// struct App {
///     db: Arc<Db>,
///     config: Arc<Config>,
///     #[from_ref(skip)]
///     started: Instant,
/// }
///
/// struct Stock;
///
/// #[ws_handler]
/// impl Stock {
///     fn init(State(db): State<Arc<Db>>) -> Self {
///         Stock
///     }
/// }
///
/// dispatch! {
///     pub struct Routes;
///     state: App;
///     stock: "/stock" => Stock;
/// }
/// ```
#[proc_macro_derive(FromRef, attributes(from_ref))]
pub fn from_ref(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    from_ref::expand(&input).into()
}

/// Parses the parameters of a route into a struct, each into the field of the same name.
///
/// ```
/// use ws_server::prelude::*;
///
/// #[derive(PathParams)]
/// struct Seat {
///     room: u64,
///     user: String,
/// }
///
/// impl Seat {
///     fn label(&self) -> String {
///         format!("{} in room {}", self.user, self.room)
///     }
/// }
///
/// struct Chat {
///     label: String,
/// }
///
/// #[ws_handler]
/// impl Chat {
///     fn init(Path(seat): Path<Seat>) -> Self {
///         Chat { label: seat.label() }
///     }
/// }
///
/// dispatch! {
///     pub struct Routes;
///     chat: "/rooms/{room: u64}/users/{user}" => Chat;
/// }
/// ```
#[proc_macro_derive(PathParams, attributes(path_params))]
pub fn path_params(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    path_params::expand(&input).into()
}
