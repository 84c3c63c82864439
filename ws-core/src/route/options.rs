//! The options of a route by name, for editors.
//!
//! The expansion of `dispatch!` names these constants with the tokens of the table, so that an
//! editor completes the names of options and shows what they mean. Nothing else uses them. The
//! value of each is an example.

#![allow(non_upper_case_globals)]

/// Whether a connection needs a live session: else it is refused with 403. `true` by default.
pub const require_session: &str = "require_session: false";

/// Whether a connection needs the id of a page of its session: else it is refused with 403. By
/// default it is as `require_session`.
pub const require_page: &str = "require_page: false";

/// The origins whose pages may connect: `same`, `any`, or a list. Others are refused with 403. By
/// default it is `same`, or what the server sets.
pub const origins: &str = r#"origins: ["https://app.example"]"#;

/// Why it is safe that pages of every site act with the sessions of their visitors.
pub const cross_site: &str = r#"cross_site: "an embedded map, which only reads""#;

/// The subprotocols: the first that the client offers is chosen. None by default.
pub const protocols: &str = r#"protocols: ["v2.chat", "v1.chat"]"#;

/// Whether messages are compressed with clients that offer it (RFC 7692). `false` by default.
pub const deflate: &str = "deflate: true";

/// The path of a function of the handshake that keeps it, refuses it, or chooses another handler.
pub const start: &str = "start: by_version";

/// With `page` the handler lives as long as the page, over any number of connections.
pub const attach: &str = "attach: page";

/// The size of a message. A larger one closes the connection with 1009. `64 KiB` by default.
pub const max_message: &str = "max_message: 16 KiB";

/// The bytes that may wait for a client, see `on_full`. `1 MiB` by default.
pub const outbox: &str = "outbox: 256 KiB";

/// The messages that may wait for a client, see `on_full`. `1024` by default.
pub const outbox_frames: &str = "outbox_frames: 256";

/// What `send` does if the outbox is full: `close` with 1013, or `refuse` with an error. `close` by
/// default.
pub const on_full: &str = "on_full: refuse";

/// The notifications that may wait for the handler. `256` by default.
pub const mailbox: &str = "mailbox: 64";

/// The timers of a connection. `256` by default.
pub const timers: &str = "timers: 16";

/// The futures that a connection may have spawned. `64` by default.
pub const tasks: &str = "tasks: 8";

/// The topics of a connection. One more closes it with 1011. `1024` by default.
pub const subscriptions: &str = "subscriptions: 64";

/// The bytes that are read while a hook waits. `64 KiB` by default.
pub const read_ahead: &str = "read_ahead: 16 KiB";

/// The messages of a client in a time, or `off`. More close the connection with 1008. `off` by
/// default.
pub const rate: &str = "rate: 20/s";

/// The time without anything received after which a ping is sent, or `off`. `25s` by default.
pub const ping: &str = "ping: 20s";

/// The time without anything received after which the connection is closed with 1001, or `off`.
/// `60s` by default.
pub const idle: &str = "idle: 2m";

/// The time in which a client must take `stall_bytes` while messages wait for it: else the
/// connection is closed with 1013. `30s` by default.
pub const stall: &str = "stall: 1m";

/// The bytes that a client must take in the time `stall`. `4 KiB` by default.
pub const stall_bytes: &str = "stall_bytes: 1 KiB";

/// The time that `init` may take: else the client gets 503. `10s` by default.
pub const init_timeout: &str = "init_timeout: 2s";

/// The time that another hook may take: else the connection is closed with 1011. `30s` by default.
pub const hook_timeout: &str = "hook_timeout: 5s";

/// The time in which a client must answer a close frame. `5s` by default.
pub const close_timeout: &str = "close_timeout: 1s";

/// The time that `terminate` may take. `5s` by default.
pub const terminate_timeout: &str = "terminate_timeout: 1s";
