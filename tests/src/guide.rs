//! The code of the guide: the doctests of this crate compile and run it.

macro_rules! chapters {
    ($($name:ident: $file:literal,)*) => {$(
        #[doc = include_str!(concat!("../../docs/src/", $file))]
        struct $name;
    )*};
}

chapters! {
    Introduction: "introduction.md",
    GettingStarted: "getting-started.md",
    Handlers: "handlers.md",
    Tables: "tables.md",
    Topics: "topics.md",
    Presence: "presence.md",
    Chat: "chat.md",
    Sessions: "sessions.md",
    PageStreams: "page-streams.md",
    Tokens: "tokens.md",
    Warp: "warp.md",
    Axum: "axum.md",
    Proxies: "proxies.md",
    Tls: "tls.md",
    Deployment: "deployment.md",
    Limits: "limits.md",
    Observe: "observe.md",
    Losses: "losses.md",
    Cluster: "cluster.md",
    Redis: "redis.md",
    Operating: "operating.md",
    Scale: "scale.md",
    Performance: "performance.md",
    Testing: "testing.md",
}
