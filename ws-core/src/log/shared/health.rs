//! The health of the servers that hold a log.

use std::fmt;
use std::time::Duration;

use crate::log::name::Lane;

/// The health of a server that holds lanes of a log, as one of the nodes sees it.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
/// #     .block_on(async {
/// use ws_server::prelude::*;
/// use ws_server::cluster::EngineHealth;
///
/// /// What an operator should know of the log.
/// fn warnings(hub: &Hub) -> Vec<String> {
///     let all = hub.log_health();
///     let ill = all.iter().filter(|server| !server.state.is_up());
///     ill.map(|EngineHealth { address, state, .. }| format!("{address} is {state}")).collect()
/// }
///
/// // A hub that shares no log has nothing to report.
/// assert_eq!(warnings(&Hub::default()), [""; 0]);
/// # });
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct EngineHealth {
    /// The host and the port.
    pub address: String,
    /// Whether it answers.
    pub state: EngineState,
    /// The time between the last entry that this node has read and the last one of the lane, for the
    /// lane that is furthest behind; zero if everything was read.
    pub lag: Duration,
    /// `None` before the first connection.
    pub memory: Option<EngineMemory>,
    /// The lanes that it holds. While it is down, these cannot be read or published to.
    pub lanes: Vec<Lane>,
}

impl EngineHealth {
    /// Creates the health of a server, for an [`Engine`](super::Engine): no lag, and its memory and
    /// its lanes are not known.
    ///
    /// ```
    /// use ws_server::cluster::{EngineHealth, EngineState};
    ///
    /// let health = EngineHealth::new("10.0.0.5:6379", EngineState::Up);
    /// assert_eq!(health.to_string(), "up");
    /// ```
    pub fn new(address: &str, state: EngineState) -> Self {
        Self {
            address: address.to_owned(),
            state,
            lag: Duration::ZERO,
            memory: None,
            lanes: Vec::new(),
        }
    }
}

/// Shows everything but the address; the lanes only while it is not up.
impl fmt::Display for EngineHealth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.state)?;
        if !self.lag.is_zero() {
            write!(f, ", {:.1} s behind", self.lag.as_secs_f64())?;
        }
        if let Some(EngineMemory {
            used,
            limit: Some(limit),
        }) = self.memory
        {
            let percent = u128::from(used) * 100 / u128::from(limit.max(1));
            write!(f, ", {percent} % of its memory used")?;
        }
        if self.state.is_up() {
            return Ok(());
        }
        for (number, lane) in self.lanes.iter().enumerate() {
            let separator = if number == 0 { "; lanes" } else { "," };
            write!(f, "{separator} {}", lane.0)?;
        }
        Ok(())
    }
}

/// Whether a server that holds lanes of a log answers.
///
/// ```
/// use std::time::Duration;
/// use ws_server::cluster::EngineState;
///
/// let slow = EngineState::Slow { answer: Duration::from_millis(700) };
/// assert!(!slow.is_up());
/// assert_eq!(slow.to_string(), "slow, an answer takes 0.7 s");
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum EngineState {
    /// It answers.
    Up,
    /// It answers late; for Redis, after more than 250 ms. Meanwhile, messages collect into larger
    /// entries.
    Slow {
        /// How long the last answer took, or the next one takes already.
        answer: Duration,
    },
    /// It has refused an entry because its memory is full.
    Full,
    /// There is no connection that can be used.
    Down {
        /// For how long.
        since: Duration,
        /// The error of the last attempt to connect, without secrets.
        reason: String,
    },
}

impl EngineState {
    /// Whether it answers in time.
    pub const fn is_up(&self) -> bool {
        matches!(self, Self::Up)
    }
}

/// Shows no address and no reason.
impl fmt::Display for EngineState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Up => f.write_str("up"),
            Self::Slow { answer } => {
                write!(f, "slow, an answer takes {:.1} s", answer.as_secs_f64())
            }
            Self::Full => f.write_str("full, it refuses messages"),
            Self::Down { since, .. } => write!(f, "down for {} s", since.as_secs()),
        }
    }
}

/// The memory of a server.
///
/// ```
/// use ws_server::cluster::EngineMemory;
///
/// /// Whether an operator should give the server more memory.
/// fn is_scarce(memory: EngineMemory) -> bool {
///     memory.limit.is_some_and(|limit| memory.used > limit / 4 * 3)
/// }
///
/// assert!(is_scarce(EngineMemory { used: 90, limit: Some(100) }));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EngineMemory {
    /// Bytes in use.
    pub used: u64,
    /// Bytes at which it refuses entries; `None` if there is no limit.
    pub limit: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_shows_state_lag_and_memory_and_no_address() {
        let mut health = EngineHealth::new("10.0.0.5:6379", EngineState::Up);
        assert_eq!(health.to_string(), "up");
        health.lag = Duration::from_millis(1_250);
        health.memory = Some(EngineMemory {
            used: 30,
            limit: Some(40),
        });
        health.lanes = vec![Lane(1), Lane(4)];
        let expected = "up, 1.2 s behind, 75 % of its memory used";
        assert_eq!(health.to_string(), expected);
        health.lag = Duration::ZERO;
        health.memory = None;
        for (state, expected) in [
            (
                EngineState::Slow {
                    answer: Duration::from_millis(700),
                },
                "slow, an answer takes 0.7 s; lanes 1, 4",
            ),
            (EngineState::Full, "full, it refuses messages; lanes 1, 4"),
            (
                EngineState::Down {
                    since: Duration::from_secs(12),
                    reason: "Redis at 10.0.0.5:6379 cannot be reached".to_owned(),
                },
                "down for 12 s; lanes 1, 4",
            ),
        ] {
            health.state = state;
            assert_eq!(health.to_string(), expected);
            assert!(!health.state.is_up());
        }
    }
}
