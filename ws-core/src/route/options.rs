//! The options of a route by name, for editors.
//!
//! The expansion of `dispatch!` names these constants with the tokens of the table, so that an
//! editor completes the names of options and shows their documentation. Nothing else uses them;
//! each value is an example.

#![allow(non_upper_case_globals)]

/// Whether a connection needs a live session; if it has none, it is refused with 403. Default:
/// `true`.
pub const require_session: &str = "require_session: false";

/// Whether a connection needs the id of a page of its session; if it has none, it is refused with
/// 403. Default: the value of `require_session`.
pub const require_page: &str = "require_page: false";

/// The origins whose pages may connect: `same`, `any`, or a list. Others are refused with 403.
/// Default: `same`, or the server's setting.
pub const origins: &str = r#"origins: ["https://app.example"]"#;

/// Why it is safe if pages of any site act with the sessions of their visitors.
pub const cross_site: &str = r#"cross_site: "an embedded map, which only reads""#;

/// The supported subprotocols: the first that the client offers is chosen. Default: none.
pub const protocols: &str = r#"protocols: ["v2.chat", "v1.chat"]"#;

/// Whether messages are compressed if the client offers it (RFC 7692). Default: `false`.
pub const deflate: &str = "deflate: true";

/// The path of a function that accepts or refuses a handshake, or chooses another handler.
pub const start: &str = "start: by_version";

/// With `page`, the handler lives as long as the page, over any number of connections. Together with
/// `require_session: false`, a client without cookies gets a page of its own.
pub const attach: &str = "attach: page";

/// The largest message. A larger one closes the connection with 1009. Default: `64 KiB`.
pub const max_message: &str = "max_message: 16 KiB";

/// The most bytes that may wait for a client; see `on_full`. Default: `1 MiB`.
pub const outbox: &str = "outbox: 256 KiB";

/// The most messages that may wait for a client; see `on_full`. Default: `1024`.
pub const outbox_frames: &str = "outbox_frames: 256";

/// What `send` does when the outbox is full: `close` the connection with 1013, or `refuse` the
/// message with an error. Default: `close`.
pub const on_full: &str = "on_full: refuse";

/// The most notifications that may wait for the handler. Default: `256`.
pub const mailbox: &str = "mailbox: 64";

/// The most timers of a connection. Default: `256`.
pub const timers: &str = "timers: 16";

/// The most futures that a connection may have spawned. Default: `64`.
pub const tasks: &str = "tasks: 8";

/// The most topics of a connection. One more closes it with 1011. Default: `1024`.
pub const subscriptions: &str = "subscriptions: 64";

/// The most bytes that are read while a hook runs. Default: `64 KiB`.
pub const read_ahead: &str = "read_ahead: 16 KiB";

/// The most messages of a client within a time, or `off`. More close the connection with 1008.
/// Default: `off`.
pub const rate: &str = "rate: 20/s";

/// A ping is sent after this time without received data, or never if `off`. Default: `25s`.
pub const ping: &str = "ping: 20s";

/// The connection is closed with 1001 after this time without received data, or never if `off`.
/// Default: `60s`.
pub const idle: &str = "idle: 2m";

/// The time in which a client must accept `stall_bytes` while messages wait for it; if it does not,
/// the connection is closed with 1013. Default: `30s`.
pub const stall: &str = "stall: 1m";

/// The bytes that a client must accept within `stall`. Default: `4 KiB`.
pub const stall_bytes: &str = "stall_bytes: 1 KiB";

/// The deadline of `init`; if it is exceeded, the client receives 503. Default: `10s`.
pub const init_timeout: &str = "init_timeout: 2s";

/// The deadline of every other hook; if it is exceeded, the connection is closed with 1011.
/// Default: `30s`.
pub const hook_timeout: &str = "hook_timeout: 5s";

/// The time in which a client must answer a Close frame. Default: `5s`.
pub const close_timeout: &str = "close_timeout: 1s";

/// The deadline of `terminate`. Default: `5s`.
pub const terminate_timeout: &str = "terminate_timeout: 1s";
