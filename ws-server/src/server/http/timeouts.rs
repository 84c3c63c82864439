//! Drives one HTTP connection, and ends it when it has waited for its client for too long.
//!
//! One timer per connection serves all timeouts. It is not reset when bytes arrive: when it fires,
//! the phase of the connection is checked again.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};
use ws_core::limits::ServerLimits;

use super::activity::{Activity, Phase};
use super::allowance::TransferLimits;
use crate::server::permits::{Evicted, HttpPermit, WakeFlag};

/// An HTTP connection of hyper.
pub(in crate::server) trait HttpConnection {
    /// Speaks HTTP until the connection ends or becomes something else.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<hyper::Result<()>>;

    /// Accepts no further request, and ends after the responses to all requests.
    fn finish(&mut self);
}

/// How the connection ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::server) enum HttpEnd {
    /// HTTP is over: the connection is closed or upgraded.
    Finished,
    /// A timeout or the shutdown of the server ended it, even if output was left.
    Cut,
}

/// The maximum time for an evicted connection to write its remaining output: another connection
/// waits for its permit.
pub(in crate::server) const EVICTION_TIMEOUT: Duration = Duration::from_secs(1);

/// The timeouts of one connection.
pub(in crate::server) struct Timeouts<'p, D> {
    activity: Arc<Activity>,
    /// The time for the head of a request; for a later request, from its first byte.
    head: Duration,
    /// The time for which a silent connection is kept.
    keep_alive: Duration,
    /// The time for the remaining output when the connection ends.
    ending: Duration,
    permit: &'p mut HttpPermit,
    /// Ready when the server accepts no further requests.
    draining: Pin<&'p mut D>,
}

impl<'p, D: Future<Output = ()>> Timeouts<'p, D> {
    pub(in crate::server) fn new(
        limits: &ServerLimits,
        permit: &'p mut HttpPermit,
        draining: Pin<&'p mut D>,
    ) -> Self {
        Self {
            activity: Activity::new(TransferLimits::of(limits), limits.requests_per_connection),
            head: limits.head_timeout,
            keep_alive: limits.keep_alive,
            ending: limits.body_timeout,
            permit,
            draining,
        }
    }

    /// Receives the reports of the connection's service and bodies.
    pub(in crate::server) const fn activity(&self) -> &Arc<Activity> {
        &self.activity
    }

    /// Drives the connection until it ends or its time is up.
    pub(in crate::server) async fn enforce(
        self,
        connection: &mut impl HttpConnection,
    ) -> hyper::Result<HttpEnd> {
        let mut timed = TimedConnection {
            timeouts: self,
            stage: Stage::Begun,
            timer: None,
            finishing: false,
        };
        poll_fn(|cx| timed.poll(connection, cx)).await
    }
}

/// The event that a connection waits for, and its deadline.
enum Stage {
    /// It has just begun.
    Begun,
    /// The head of a request.
    Head { until: Instant, requests: u64 },
    /// The client, the application, or both.
    Working { until: Option<Instant> },
    /// Another request, of which no byte has arrived.
    Silent(Silence),
    /// The remaining output, before the connection ends.
    Ending { until: Instant },
}

struct Silence {
    until: Instant,
    requests: u64,
    wake_flag: Arc<WakeFlag>,
    waker: Waker,
    /// Whether the connection may be evicted.
    is_registered: bool,
}

impl Silence {
    fn new(until: Instant, requests: u64, task: &Waker) -> Self {
        let wake_flag = WakeFlag::new(task);
        Self {
            until,
            requests,
            waker: wake_flag.clone().into(),
            wake_flag,
            is_registered: false,
        }
    }
}

/// The action that follows a step.
enum NextStep {
    /// Poll the connection again.
    Repoll,
    /// Wait, at most until the deadline of the stage.
    Wait,
    /// The connection is over, even if output is left.
    Cut,
}

struct TimedConnection<'p, D> {
    timeouts: Timeouts<'p, D>,
    stage: Stage,
    timer: Option<Pin<Box<Sleep>>>,
    /// Whether the connection accepts no further request.
    finishing: bool,
}

impl<D: Future<Output = ()>> TimedConnection<'_, D> {
    fn poll(
        &mut self,
        connection: &mut impl HttpConnection,
        cx: &mut Context<'_>,
    ) -> Poll<hyper::Result<HttpEnd>> {
        loop {
            self.check_wake_flag(connection);
            let ended = match &self.stage {
                Stage::Silent(silence) => connection.poll(&mut Context::from_waker(&silence.waker)),
                _ => connection.poll(cx),
            };
            if let Poll::Ready(ended) = ended {
                return Poll::Ready(ended.map(|()| HttpEnd::Finished));
            }
            let next = match self.drain(connection, cx) {
                NextStep::Wait => self.advance(connection, cx),
                next => next,
            };
            let next = match next {
                NextStep::Wait => {
                    ready!(self.poll_timer(cx));
                    self.expire(connection)
                }
                next => next,
            };
            if matches!(next, NextStep::Cut) {
                return Poll::Ready(Ok(HttpEnd::Cut));
            }
        }
    }

    /// Ends the silence of a connection whose wake flag is set: the client has sent bytes, or the
    /// permit is needed.
    fn check_wake_flag(&mut self, connection: &mut impl HttpConnection) {
        let Stage::Silent(silence) = &self.stage else {
            return;
        };
        if silence.is_registered && silence.wake_flag.is_set() {
            let requests = silence.requests;
            match self.timeouts.permit.end_silence() {
                Ok(()) => {
                    let until = Instant::now() + self.timeouts.head;
                    self.stage = Stage::Head { until, requests };
                }
                Err(Evicted) => self.evict(connection),
            }
        }
    }

    /// In a shutdown, ends a connection without a whole head at once, and any other connection
    /// after the responses to its requests.
    fn drain(&mut self, connection: &mut impl HttpConnection, cx: &mut Context<'_>) -> NextStep {
        if self.finishing || self.timeouts.draining.as_mut().poll(cx).is_pending() {
            return NextStep::Wait;
        }
        match self.timeouts.activity.phase() {
            Phase::Opening => return NextStep::Cut,
            // The last response is written to its end; then the connection closes by itself.
            Phase::Switching | Phase::LimitReached => self.finishing = true,
            Phase::Working { .. } => {
                self.finishing = true;
                connection.finish();
            }
            Phase::Idle { .. } => self.finish(connection),
        }
        NextStep::Repoll
    }

    /// Ends a connection that accepts no further request and has none in progress.
    fn finish(&mut self, connection: &mut impl HttpConnection) {
        // The connection ends, even if it was evicted.
        let _ = self.timeouts.permit.end_silence();
        self.finishing = true;
        connection.finish();
        self.end();
    }

    /// Ends the connection soon, because its permit is needed.
    fn evict(&mut self, connection: &mut impl HttpConnection) {
        self.shorten_ending();
        self.finish(connection);
    }

    fn shorten_ending(&mut self) {
        self.timeouts.ending = self.timeouts.ending.min(EVICTION_TIMEOUT);
    }

    fn end(&mut self) {
        let until = Instant::now() + self.timeouts.ending;
        self.stage = Stage::Ending { until };
    }

    /// Updates the stage from the current phase of the connection.
    fn advance(&mut self, connection: &mut impl HttpConnection, cx: &mut Context<'_>) -> NextStep {
        match (self.timeouts.activity.phase(), &mut self.stage) {
            (Phase::Opening, Stage::Begun) => {
                let until = Instant::now() + self.timeouts.head;
                self.stage = Stage::Head { until, requests: 0 };
            }
            (Phase::Opening, _)
            | (Phase::Switching | Phase::Idle { .. } | Phase::LimitReached, Stage::Ending { .. }) =>
                {}
            (Phase::Working { until }, _) => {
                self.stage = Stage::Working { until };
                if let Err(Evicted) = self.timeouts.permit.end_silence() {
                    self.shorten_ending();
                    self.finishing = true;
                    connection.finish();
                    return NextStep::Repoll;
                }
            }
            (Phase::Switching | Phase::LimitReached, _) => self.end(),
            (
                Phase::Idle { requests },
                Stage::Head {
                    requests: before, ..
                },
            ) if *before == requests => {}
            (Phase::Idle { requests }, Stage::Silent(silence)) if silence.requests == requests => {
                if !silence.is_registered {
                    silence.is_registered = true;
                    let wake_flag = silence.wake_flag.clone();
                    if let Err(Evicted) = self.timeouts.permit.begin_silence(&wake_flag) {
                        self.evict(connection);
                        return NextStep::Repoll;
                    }
                }
            }
            (Phase::Idle { .. }, _) if self.finishing => self.end(),
            (Phase::Idle { requests }, _) => {
                if let Err(Evicted) = self.timeouts.permit.end_silence() {
                    self.evict(connection);
                    return NextStep::Repoll;
                }
                // hyper is polled once more, so that the stream has no waker except the flag. hyper
                // may already have a part of the next head, which arrived together with the last
                // request: that counts as silence until more bytes arrive.
                let until = Instant::now() + self.timeouts.keep_alive;
                self.stage = Stage::Silent(Silence::new(until, requests, cx.waker()));
                return NextStep::Repoll;
            }
        }
        NextStep::Wait
    }

    /// Ready when the deadline of the stage has passed.
    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let until = match &self.stage {
            Stage::Begun | Stage::Working { until: None } => return Poll::Pending,
            Stage::Head { until, .. }
            | Stage::Working { until: Some(until) }
            | Stage::Ending { until }
            | Stage::Silent(Silence { until, .. }) => *until,
        };
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(sleep_until(until)));
        if timer.deadline() > until {
            timer.as_mut().reset(until);
        }
        loop {
            ready!(timer.as_mut().poll(cx));
            if timer.deadline() >= until {
                return Poll::Ready(());
            }
            timer.as_mut().reset(until);
        }
    }

    fn expire(&mut self, connection: &mut impl HttpConnection) -> NextStep {
        match &self.stage {
            Stage::Begun => NextStep::Wait,
            // Responses may wait for the client: reading some of them woke the silent connection.
            Stage::Head { requests: 1.., .. } | Stage::Silent(_) => {
                self.finish(connection);
                NextStep::Repoll
            }
            Stage::Head { .. } => {
                tracing::debug!("the head of a request did not arrive in time");
                NextStep::Cut
            }
            Stage::Working { .. } => match self.timeouts.activity.phase() {
                Phase::Working { until: Some(until) } if until <= Instant::now() => {
                    tracing::debug!("the client kept the body of a request or response waiting");
                    NextStep::Cut
                }
                // The connection has made progress since.
                _ => NextStep::Repoll,
            },
            Stage::Ending { .. } => {
                tracing::debug!("the client did not read the end of a response");
                NextStep::Cut
            }
        }
    }
}
