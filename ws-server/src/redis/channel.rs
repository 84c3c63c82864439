//! A connection that is replaced whenever it is lost.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ::redis::{FromRedisValue, Value};
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout_at};

use super::RedisError;
use super::backoff::Backoff;
use super::error::Verdict;
use super::target::{Connected, Target};

/// How long a command waits for a connection, from the moment that the last one was lost.
const PATIENCE: Duration = Duration::from_secs(1);

/// A connection that lives longer than this has worked.
const WORKING: Duration = Duration::from_secs(1);

/// One connection at a time. A task of its own connects and reconnects, so that no caller waits
/// longer than [`PATIENCE`].
pub(super) struct Channel {
    shared: Arc<Shared>,
    task: Mutex<Option<JoinHandle<()>>>,
}

struct Shared {
    target: Arc<Target>,
    state: watch::Sender<State>,
}

#[derive(Clone)]
enum State {
    Lost(Lost),
    Connected(Arc<Live>),
}

#[derive(Clone)]
struct Lost {
    since: Instant,
    /// Why the last attempt failed; `None` before the end of the first.
    error: Option<RedisError>,
}

/// A connection in use.
pub(super) struct Live {
    pub(super) connected: Connected,
    /// Notified when a command shows that the connection must be replaced.
    broken: Notify,
}

impl Live {
    /// The server must be connected to, and checked, again.
    pub(super) fn replace(&self) {
        self.broken.notify_one();
    }
}

/// Whether a command may be sent again after a connection was lost while it was under way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Repeat {
    /// It changes nothing if it is executed twice.
    Once,
    Never,
}

impl Channel {
    pub(super) fn new(target: Arc<Target>) -> Self {
        let lost = Lost {
            since: Instant::now(),
            error: None,
        };
        let state = watch::Sender::new(State::Lost(lost));
        Self {
            shared: Arc::new(Shared { target, state }),
            task: Mutex::default(),
        }
    }

    /// Starts the task that connects, on the current runtime. If the task's runtime has ended,
    /// it is started again.
    fn start(&self) {
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        if task.as_ref().is_none_or(JoinHandle::is_finished) {
            self.shared.state.send_replace(State::Lost(Lost {
                since: Instant::now(),
                error: None,
            }));
            *task = Some(tokio::spawn(self.shared.clone().keep_connected()));
        }
    }

    /// Waits for the first connection, for as long as the server cannot be reached.
    pub(super) async fn first_connection(&self) -> Result<(), RedisError> {
        self.start();
        let mut state = self.shared.state.subscribe();
        let settled = state.wait_for(|state| match state {
            State::Connected(_) => true,
            State::Lost(lost) => lost.error.as_ref().is_some_and(RedisError::is_permanent),
        });
        // The sender lives as long as this channel.
        match settled.await.as_deref() {
            Ok(State::Lost(Lost {
                error: Some(error), ..
            })) => Err(error.clone()),
            _ => Ok(()),
        }
    }

    /// For how long there is no connection, and why, if callers do not wait for one any more.
    pub(super) fn outage(&self) -> Option<(Duration, String)> {
        let is_used = self
            .task
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_some();
        let State::Lost(Lost { since, error }) = &*self.shared.state.borrow() else {
            return None;
        };
        let elapsed = since.elapsed();
        let reason = error
            .as_ref()
            .map_or_else(|| "timed out".to_owned(), ToString::to_string);
        (is_used && elapsed >= PATIENCE).then_some((elapsed, reason))
    }

    /// The current connection. If it was lost less than [`PATIENCE`] ago, waits for the next.
    ///
    /// # Errors
    ///
    /// The error of the last attempt to connect.
    pub(super) async fn live(&self) -> Result<Arc<Live>, RedisError> {
        self.start();
        let mut state = self.shared.state.subscribe();
        loop {
            let lost = match &*state.borrow_and_update() {
                State::Connected(live) => {
                    if self.shared.target.is_current(&live.connected.server) {
                        return Ok(live.clone());
                    }
                    // A newer connection shows that the server has changed.
                    live.replace();
                    Lost {
                        since: Instant::now(),
                        error: None,
                    }
                }
                State::Lost(lost) => lost.clone(),
            };
            if timeout_at(lost.since + PATIENCE, state.changed())
                .await
                .is_err()
            {
                let address = self.shared.target.address();
                let error = lost.error.unwrap_or_else(|| RedisError::timed_out(address));
                return Err(error);
            }
        }
    }

    /// Sends a command, and converts its answer.
    pub(super) async fn query<T: FromRedisValue>(
        &self,
        command: &::redis::Cmd,
        name: &'static str,
        repeat: Repeat,
    ) -> Result<T, RedisError> {
        let mut answer = self.send(command).await;
        if repeat == Repeat::Once && matches!(answer, Err(RedisError::Unanswered { .. })) {
            answer = self.send(command).await;
        }
        self.convert(answer?, name)
    }

    /// Converts the answer to a command.
    pub(super) fn convert<T: FromRedisValue>(
        &self,
        answer: Value,
        command: &'static str,
    ) -> Result<T, RedisError> {
        T::from_redis_value(answer).map_err(|_| RedisError::Answer {
            address: self.shared.target.address().to_owned(),
            command,
        })
    }

    /// Sends a command on the current connection.
    pub(super) async fn send(&self, command: &::redis::Cmd) -> Result<Value, RedisError> {
        let live = self.live().await?;
        self.send_on(&live, command).await
    }

    /// Sends a command on this connection.
    pub(super) async fn send_on(
        &self,
        live: &Live,
        command: &::redis::Cmd,
    ) -> Result<Value, RedisError> {
        let mut connection = live.connected.connection.clone();
        let answer = command.query_async(&mut connection).await;
        answer.map_err(|error| {
            let address = self.shared.target.address();
            let (error, verdict) = RedisError::of_command(&error, address);
            if verdict == Verdict::Broken {
                live.replace();
            }
            error
        })
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        let task = self.task.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(task) = task.take() {
            task.abort();
        }
    }
}

impl Shared {
    /// Notes that there is no connection. Keeps the time since when.
    fn lose(&self, error: Option<RedisError>) {
        self.state.send_modify(|state| {
            let since = match state {
                State::Lost(lost) => lost.since,
                State::Connected(_) => Instant::now(),
            };
            *state = State::Lost(Lost { since, error });
        });
    }

    async fn keep_connected(self: Arc<Self>) {
        let address = self.target.address();
        let mut backoff = Backoff::new();
        let (mut logged, mut server) = (None, None);
        loop {
            match self.target.connect().await {
                Ok(connected) => {
                    tracing::info!(address, "connected to Redis");
                    let before = server.replace(connected.server.clone());
                    if before.is_some() && before != server {
                        tracing::warn!(address, "Redis was restarted or replaced");
                    }
                    logged = None;
                    let since = Instant::now();
                    self.use_until_broken(connected).await;
                    if since.elapsed() >= WORKING {
                        backoff.reset();
                    }
                    tracing::warn!(address, "the connection to Redis was lost");
                }
                Err(error) => {
                    if logged.as_ref() != Some(&error) {
                        tracing::warn!(%error, "Redis cannot be used; connecting again");
                        logged = Some(error.clone());
                    }
                    self.lose(Some(error));
                }
            }
            sleep(backoff.next()).await;
        }
    }

    async fn use_until_broken(&self, connected: Connected) {
        let ended = connected.ended.clone();
        let live = Arc::new(Live {
            connected,
            broken: Notify::new(),
        });
        self.state.send_replace(State::Connected(live.clone()));
        tokio::select! {
            () = ended.notified() => {}
            () = live.broken.notified() => {}
        }
        self.lose(None);
    }
}
