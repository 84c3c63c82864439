//! Valid blocks.

use super::Macro;

/// The text of one macro call.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub of: Macro,
    /// The tokens in the parentheses of the attribute.
    pub arguments: &'static str,
    pub input: &'static str,
}

/// Every macro, with every part of its syntax.
pub(crate) const SAMPLES: [Sample; 10] = [
    Sample {
        of: Macro::Handler,
        arguments: "",
        input: SYNC_HOOKS,
    },
    Sample {
        of: Macro::Handler,
        arguments: "",
        input: ASYNC_HOOKS,
    },
    Sample {
        of: Macro::Handler,
        arguments: "crate = ::live::sockets, sends(Event, Score<u8>)",
        input: UNCOMMON_HANDLER,
    },
    Sample {
        of: Macro::Dispatch,
        arguments: "",
        input: TABLE,
    },
    Sample {
        of: Macro::Dispatch,
        arguments: "",
        input: UNCOMMON_TABLE,
    },
    Sample {
        of: Macro::Topics,
        arguments: "",
        input: TOPICS,
    },
    Sample {
        of: Macro::Topics,
        arguments: "",
        input: UNCOMMON_TOPICS,
    },
    Sample {
        of: Macro::FromRef,
        arguments: "",
        input: STATE,
    },
    Sample {
        of: Macro::PathParams,
        arguments: "",
        input: PLACE,
    },
    Sample {
        of: Macro::Main,
        arguments: "workers = 4, crate = ::live::sockets",
        input: MAIN,
    },
];

pub(crate) const SYNC_HOOKS: &str = r#"
    impl Greeter {
        fn init(socket: &Socket<Self>) -> Self {
            Greeter
        }

        fn message(&mut self, text: String) -> String {
            format!("You sent: {text}")
        }

        fn info(&mut self, greeting: &'static str) -> &'static str {
            greeting
        }

        fn terminate(self, reason: CloseReason) {}
    }
"#;

pub(crate) const ASYNC_HOOKS: &str = r"
    impl<S: Store> Room<S>
    where
        S: Send + Sync + 'static,
    {
        async fn init(
            Path(id): Path<u64>,
            State(store): State<S>,
            session: Option<Session>,
        ) -> Result<Self, Refusal> {
            Room::open(id, store, session).await
        }

        async fn message(&mut self, Json(post): Json<Post>, socket: &Socket<Self>) -> Vec<String> {
            self.publish(post, socket).await
        }

        async fn info(&mut self, event: Event, hub: &Hub, page: Page) {}

        async fn terminate(&mut self, State(store): State<S>) {}
    }
";

const UNCOMMON_HANDLER: &str = r#"
    /// A room.
    #[cfg(feature = "rooms")]
    impl<'r, const N: usize> r#type<'r, N> {
        #![allow(dead_code)]

        const LIMIT: usize = 3;

        fn init<'a>(host: Host<'a>, _: &Handshake) -> impl IntoInit<Self> {
            Ok::<_, Refusal>(Self::default())
        }

        #[cfg(unix)]
        fn message(&self, r#fn: Result<Json<[u8; N]>, DecodeError>) -> Option<(String, Close)> {
            None
        }

        #[cfg(not(unix))]
        async fn message(&mut self, bytes: Bytes, both: Both<'_, Self>) -> impl IntoReply {
            bytes
        }

        fn info(&mut self, (first, [second, ..]): (u8, [u8; 2])) {}

        async fn terminate(mut self: Self) {}

        fn helper(&self) -> usize {
            Self::LIMIT
        }
    }
"#;

pub(crate) const TABLE: &str = r#"
    /// The routes.
    pub struct Routes;
    state: App;
    defaults { require_session: false, ping: 20s }

    news: "/news" => News;
    room: "/rooms/{id: u64}" => Room { max_message: 16 KiB, rate: 20/s, origins: any };
    files: "/files/{*rest}" => Files;
    admin: "/admin" => use crate::admin::Routes;
"#;

const UNCOMMON_TABLE: &str = r#"
    #[derive(Clone)]
    pub(crate) struct r#type;
    crate: ::live::sockets;

    /// The front.
    home: "/" => chat::Home<u8, { 1 + 1 }>;
    #[cfg(unix)]
    r#fn: "/{gen}/{id: std::num::NonZeroU64}/{type}" => Room {
        start: choose::by_version, protocols: ["v2", "v1"], deflate: true, idle: 2 m, mailbox: 1_024,
    };
    #[cfg(not(unix))]
    r#fn: "/{name}/{id: i8}/{type}" => Room { idle: off, stall: 0.5s, on_full: refuse };
    #[deprecated = "gone soon"]
    dash: "/dash" => Dash { attach: page, origins: ["https://a.example"] };
    #[cfg(unix)]
    inner: "/inner/deep" => use super::Inner;
"#;

pub(crate) const TOPICS: &str = r#"
    /// The topics of the chat.
    pub struct Topics;

    /// The messages of a room.
    pub Room: "room/{id: u64}" => Event { history: 100, keep: 10m, presence: Member };
    pub(crate) Price: "price/{symbol}" => Tick { history: latest, keep: limits::KEEP };
    Typing: "room/{room: u64}/typing" => Typist { relay: live };
    pub Lobby: "lobby" => String;
"#;

const UNCOMMON_TOPICS: &str = r#"
    crate: ::live::sockets;

    #[derive(Clone, Copy, Default)]
    #[deprecated = "gone soon"]
    pub(in crate::chat) r#Self_: "{id: std::num::NonZeroU64}/{type}/~x" => Vec<(u8, [u8; 2])>;
    #[cfg(unix)]
    Seen: "seen/{gen}" => &'static str { history: MESSAGES, keep: 0.5 h, };
    #[cfg(not(unix))]
    Seen: "seen/{gen: Of<u8, { N / 2 }>}" => Seen<u8, { 1 + 1 }> { presence: Map<u8, (u8, u8)>, };
"#;

pub(crate) const STATE: &str = r"
    #[derive(Clone)]
    #[from_ref(crate = ::live::sockets)]
    pub struct App<S: Send, const N: usize>
    where
        S: Sync,
    {
        shared: Arc<S>,
        pub array: [u8; N],
        #[from_ref(skip)]
        r#type: u8,
    }
";

pub(crate) const PLACE: &str = r"
    #[path_params(crate = ::live::sockets)]
    struct Place<T = u64>
    where
        T: Send,
    {
        id: T,
        r#type: String,
    }
";

pub(crate) const MAIN: &str = r#"
    #[allow(dead_code)]
    pub(crate) async fn main() -> Result<(), Box<dyn Error>> {
        #![allow(unused_mut)]

        Server::new(Routes::table()).build()?.run("127.0.0.1:3030").await
    }
"#;
