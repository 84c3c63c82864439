//! The errors of a Redis server.

use ::redis::{ErrorKind, RedisError as CommandError, ServerErrorKind};

/// Why Redis cannot be used, or has not executed a command.
///
/// The text names the server, never its user, password or data.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RedisError {
    /// The URL is invalid. It may contain a password, so it is not shown.
    #[error("the URL of Redis is invalid; write it as in `redis://user:password@10.0.0.5:6379/0`")]
    Url,
    /// The URL begins with `rediss://`, which requires the feature `redis-tls`.
    #[error("the URL of Redis begins with `rediss://`; enable the feature `redis-tls`")]
    TlsDisabled,
    /// The certificate cannot be used.
    #[cfg(feature = "redis-tls")]
    #[error(
        "the root certificate of Redis is no certificate in PEM form, or the URL does not begin \
         with `rediss`"
    )]
    Certificate,
    /// The prefix of the keys is invalid.
    #[error(
        "the prefix of keys is {value:?}; it must be 1 to 64 visible ASCII characters without braces"
    )]
    Prefix {
        /// The value that was set.
        value: String,
    },
    /// There is no connection, so the command was not sent.
    #[error("Redis at {address} cannot be reached: {reason}")]
    Unreachable {
        /// The host and the port.
        address: String,
        /// The reason of the last attempt.
        reason: String,
    },
    /// The server does not accept the user or the password.
    #[error("Redis at {address} does not accept the user or the password")]
    Login {
        /// The host and the port.
        address: String,
    },
    /// The server is older than 7.0.
    #[error("Redis at {address} has version {version}; use 7.0 or later")]
    Version {
        /// The host and the port.
        address: String,
        /// The version that it reports.
        version: String,
    },
    /// The server is a replica, so it accepts no writes.
    #[error("Redis at {address} is a replica; connect to the primary")]
    Replica {
        /// The host and the port.
        address: String,
    },
    /// The server belongs to a Redis Cluster, but the URL does not begin with `redis-cluster`.
    #[error(
        "Redis at {address} is a node of a Redis Cluster; write its URL as in \
         `redis-cluster://10.0.0.5,10.0.0.6`"
    )]
    Cluster {
        /// The host and the port.
        address: String,
    },
    /// The URL begins with `redis-cluster`, but the server belongs to no Redis Cluster.
    #[error(
        "Redis at {address} is not a node of a Redis Cluster; write its URL as in `redis://10.0.0.5`"
    )]
    NoCluster {
        /// The host and the port.
        address: String,
    },
    /// No sentinel that answers knows the name of the primary.
    #[error("the sentinel at {address} knows no primary {name:?}; correct the name in the URL")]
    UnknownPrimary {
        /// The host and the port of a sentinel.
        address: String,
        /// The name in the URL.
        name: String,
    },
    /// The list of servers of a log is invalid.
    #[error("the servers of the log are invalid: {reason}")]
    Servers {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The log was created with another number of lanes, or on other servers.
    #[error(
        "the log in Redis at {address} has {found}, and this server {expected}; configure all \
         servers alike"
    )]
    Layout {
        /// The host and the port.
        address: String,
        /// What the log has.
        found: String,
        /// What this server would have.
        expected: String,
    },
    /// The server evicts keys when its memory is full.
    #[error(
        "Redis at {address} has `maxmemory-policy {policy}`, which deletes data silently; set it \
         to `noeviction`"
    )]
    Eviction {
        /// The host and the port.
        address: String,
        /// The policy that it reports.
        policy: String,
    },
    /// The memory of the server is full, so the command was refused.
    #[error("Redis at {address} has reached `maxmemory`")]
    OutOfMemory {
        /// The host and the port.
        address: String,
    },
    /// The server has refused the command.
    #[error("Redis at {address} refused a command with {code}")]
    Refused {
        /// The host and the port.
        address: String,
        /// The code of its error, such as `NOPERM`.
        code: String,
    },
    /// The server has refused a command of a script after another one had written.
    #[error("Redis at {address} refused a part of a script with {code}; the rest was executed")]
    Partial {
        /// The host and the port.
        address: String,
        /// The code of its error, such as `NOPERM`.
        code: String,
    },
    /// The connection was lost, or no answer came in time. The command may have been executed, or
    /// may still be.
    #[error("Redis at {address} did not answer: {reason}; the command may have been executed")]
    Unanswered {
        /// The host and the port.
        address: String,
        /// The error of the connection.
        reason: String,
    },
    /// The reply does not have the form that the command specifies.
    #[error("Redis at {address} gave an unexpected answer to {command}")]
    Answer {
        /// The host and the port.
        address: String,
        /// The name of the command.
        command: &'static str,
    },
}

/// What an error means for the connection on which it occurred.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    /// The connection can be used.
    Sound,
    /// The connection must be replaced, and the server checked again.
    Broken,
}

impl RedisError {
    /// The error of a command that was sent.
    pub(super) fn of_command(error: &CommandError, address: &str) -> (Self, Verdict) {
        let address = address.to_owned();
        let Some(code) = error.code().map(str::to_owned) else {
            let reason = reason(error);
            return (Self::Unanswered { address, reason }, Verdict::Broken);
        };
        if code == "OOM" {
            return (Self::OutOfMemory { address }, Verdict::Sound);
        }
        if code == "PARTIAL" {
            // A script of this crate has put its own code before that of the server.
            let of_server = error.detail().and_then(|it| it.split_whitespace().next());
            let code = of_server.unwrap_or_default().to_owned();
            return (Self::Partial { address, code }, Verdict::Sound);
        }
        // The server was demoted, is not ready, or has lost the slot: only a new connection shows
        // the new state. While a slot is on its way, with `ASK` and `TRYAGAIN`, this server has it.
        let is_replaced = matches!(
            error.kind(),
            ErrorKind::Server(
                ServerErrorKind::ReadOnly
                    | ServerErrorKind::Moved
                    | ServerErrorKind::MasterDown
                    | ServerErrorKind::BusyLoading
                    | ServerErrorKind::ClusterDown
            )
        ) || matches!(&*code, "NOREPLICAS" | "NOAUTH" | "UNBLOCKED");
        let verdict = if is_replaced {
            Verdict::Broken
        } else {
            Verdict::Sound
        };
        (Self::Refused { address, code }, verdict)
    }

    /// The error of an attempt to connect.
    pub(super) fn of_connecting(error: &CommandError, address: &str) -> Self {
        let address = address.to_owned();
        match error.code().map(str::to_owned) {
            Some(code) if matches!(&*code, "WRONGPASS" | "NOAUTH") => Self::Login { address },
            _ if error.kind() == ErrorKind::AuthenticationFailed => Self::Login { address },
            // It still loads its data.
            Some(code) if matches!(&*code, "LOADING" | "MASTERDOWN") => {
                let reason = code;
                Self::Unreachable { address, reason }
            }
            Some(code) => Self::Refused { address, code },
            None => Self::Unreachable {
                address,
                reason: reason(error),
            },
        }
    }

    /// An attempt to connect, or a command, has taken too long.
    pub(super) fn timed_out(address: &str) -> Self {
        Self::Unreachable {
            address: address.to_owned(),
            reason: TIMED_OUT.to_owned(),
        }
    }

    /// The server has other ids than when it was connected.
    pub(super) fn replaced(address: &str) -> Self {
        Self::Unreachable {
            address: address.to_owned(),
            reason: "it was replaced or promoted".to_owned(),
        }
    }

    /// Whether only an operator can correct this.
    pub(super) const fn is_permanent(&self) -> bool {
        matches!(
            self,
            Self::Login { .. }
                | Self::Version { .. }
                | Self::Replica { .. }
                | Self::Cluster { .. }
                | Self::NoCluster { .. }
                | Self::UnknownPrimary { .. }
                | Self::Eviction { .. }
                | Self::Refused { .. }
        )
    }
    /// Whether the server, the user or this configuration must be changed before the log can be used.
    /// Not if a failover, or the start of Redis, may change it.
    pub(super) fn is_misconfigured(&self) -> bool {
        match self {
            Self::Login { .. }
            | Self::Version { .. }
            | Self::Cluster { .. }
            | Self::NoCluster { .. }
            | Self::Eviction { .. }
            | Self::Layout { .. } => true,
            Self::Refused { code, .. } => code == "NOPERM",
            _ => false,
        }
    }
}

const TIMED_OUT: &str = "timed out";

/// The reason of a failure below the protocol, which contains no data.
fn reason(error: &CommandError) -> String {
    if error.is_timeout() {
        TIMED_OUT.to_owned()
    } else if error.is_io_error() {
        error.to_string()
    } else {
        error.category().to_owned()
    }
}
