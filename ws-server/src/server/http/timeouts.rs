//! Drives one HTTP connection, and ends it when it has waited for its client for too long.
//!
//! One timer per connection serves all time-outs. It is not reset when bytes arrive: when it fires,
//! the phase of the connection is checked again.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};
use ws_core::limits::ServerLimits;

use super::activity::{Activity, Phase};
use super::allowance::Pace;
use crate::server::places::{Bell, Evicted, Place};

/// An HTTP connection of hyper.
pub(in crate::server) trait Connection {
    /// Speaks HTTP until the connection ends or becomes something else.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<hyper::Result<()>>;

    /// Accepts no further request, and ends when all requests are answered.
    fn finish(&mut self);
}

/// How the connection ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::server) enum End {
    /// HTTP is over: the connection is closed or upgraded.
    Finished,
    /// A time-out or the shutdown of the server ended it, even if output was left.
    Cut,
}

/// The maximum time for an evicted connection to write its remaining output: another connection
/// waits for its place.
const EVICTED: Duration = Duration::from_secs(1);

/// The time-outs of one connection.
pub(in crate::server) struct Timeouts<'p, D> {
    activity: Arc<Activity>,
    /// The time for the head of a request; for a later request, from its first byte.
    head: Duration,
    /// The time for which a silent connection is kept.
    keep_alive: Duration,
    /// The time for the remaining output when the connection ends.
    ending: Duration,
    place: &'p mut Place,
    /// Ready when the server accepts no further requests.
    draining: Pin<&'p mut D>,
}

impl<'p, D: Future<Output = ()>> Timeouts<'p, D> {
    pub(in crate::server) fn new(
        limits: &ServerLimits,
        place: &'p mut Place,
        draining: Pin<&'p mut D>,
    ) -> Self {
        let transfers = Pace {
            patience: limits.body_timeout,
            rate: limits.body_rate,
        };
        Self {
            activity: Activity::new(transfers, limits.requests_per_connection),
            head: limits.head_timeout,
            keep_alive: limits.keep_alive,
            ending: limits.body_timeout,
            place,
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
        connection: &mut impl Connection,
    ) -> hyper::Result<End> {
        let mut driven = Driven {
            timeouts: self,
            stage: Stage::Begun,
            timer: None,
            finishing: false,
        };
        poll_fn(|cx| driven.poll(connection, cx)).await
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
    bell: Arc<Bell>,
    waker: Waker,
    /// Whether the connection may be evicted.
    is_known: bool,
}

impl Silence {
    fn new(until: Instant, requests: u64, task: &Waker) -> Self {
        let bell = Bell::new(task);
        Self {
            until,
            requests,
            waker: bell.clone().into(),
            bell,
            is_known: false,
        }
    }
}

/// The action that follows a step.
enum Next {
    /// Poll the connection again.
    Again,
    /// Wait, at most until the deadline of the stage.
    Wait,
    /// The connection is over, even if output is left.
    Over,
}

struct Driven<'p, D> {
    timeouts: Timeouts<'p, D>,
    stage: Stage,
    timer: Option<Pin<Box<Sleep>>>,
    /// Whether the connection accepts no further request.
    finishing: bool,
}

impl<D: Future<Output = ()>> Driven<'_, D> {
    fn poll(
        &mut self,
        connection: &mut impl Connection,
        cx: &mut Context<'_>,
    ) -> Poll<hyper::Result<End>> {
        loop {
            self.hear_bell(connection);
            let ended = match &self.stage {
                Stage::Silent(silence) => connection.poll(&mut Context::from_waker(&silence.waker)),
                _ => connection.poll(cx),
            };
            if let Poll::Ready(ended) = ended {
                return Poll::Ready(ended.map(|()| End::Finished));
            }
            let next = match self.drain(connection, cx) {
                Next::Wait => self.advance(connection, cx),
                next => next,
            };
            let next = match next {
                Next::Wait => {
                    ready!(self.poll_timer(cx));
                    self.expire(connection)
                }
                next => next,
            };
            if matches!(next, Next::Over) {
                return Poll::Ready(Ok(End::Cut));
            }
        }
    }

    /// Ends the silence of a connection whose bell has rung: the client has sent bytes, or the
    /// place is needed.
    fn hear_bell(&mut self, connection: &mut impl Connection) {
        let Stage::Silent(silence) = &self.stage else {
            return;
        };
        if silence.is_known && silence.bell.has_rung() {
            let requests = silence.requests;
            match self.timeouts.place.end_silence() {
                Ok(()) => {
                    let until = Instant::now() + self.timeouts.head;
                    self.stage = Stage::Head { until, requests };
                }
                Err(Evicted) => self.evict(connection),
            }
        }
    }

    /// In a shutdown, ends a connection without a whole head at once, and any other connection when
    /// its requests are answered.
    fn drain(&mut self, connection: &mut impl Connection, cx: &mut Context<'_>) -> Next {
        if self.finishing || self.timeouts.draining.as_mut().poll(cx).is_pending() {
            return Next::Wait;
        }
        match self.timeouts.activity.phase() {
            Phase::Opening => return Next::Over,
            // The last answer is written to its end; then the connection closes by itself.
            Phase::Switching | Phase::Spent => self.finishing = true,
            Phase::Working { .. } => {
                self.finishing = true;
                connection.finish();
            }
            Phase::Quiet { .. } => self.finish(connection),
        }
        Next::Again
    }

    /// Ends a connection that accepts no further request and has none in progress.
    fn finish(&mut self, connection: &mut impl Connection) {
        // The connection ends, even if it was evicted.
        let _ = self.timeouts.place.end_silence();
        self.finishing = true;
        connection.finish();
        self.end();
    }

    /// Ends the connection soon, because its place is needed.
    fn evict(&mut self, connection: &mut impl Connection) {
        self.hurry();
        self.finish(connection);
    }

    fn hurry(&mut self) {
        self.timeouts.ending = self.timeouts.ending.min(EVICTED);
    }

    fn end(&mut self) {
        let until = Instant::now() + self.timeouts.ending;
        self.stage = Stage::Ending { until };
    }

    /// Updates the stage from the current phase of the connection.
    fn advance(&mut self, connection: &mut impl Connection, cx: &mut Context<'_>) -> Next {
        match (self.timeouts.activity.phase(), &mut self.stage) {
            (Phase::Opening, Stage::Begun) => {
                let until = Instant::now() + self.timeouts.head;
                self.stage = Stage::Head { until, requests: 0 };
            }
            (Phase::Opening, _)
            | (Phase::Switching | Phase::Quiet { .. } | Phase::Spent, Stage::Ending { .. }) => {}
            (Phase::Working { until }, _) => {
                self.stage = Stage::Working { until };
                if let Err(Evicted) = self.timeouts.place.end_silence() {
                    self.hurry();
                    self.finishing = true;
                    connection.finish();
                    return Next::Again;
                }
            }
            (Phase::Switching | Phase::Spent, _) => self.end(),
            (
                Phase::Quiet { requests },
                Stage::Head {
                    requests: before, ..
                },
            ) if *before == requests => {}
            (Phase::Quiet { requests }, Stage::Silent(silence)) if silence.requests == requests => {
                if !silence.is_known {
                    silence.is_known = true;
                    let bell = silence.bell.clone();
                    if let Err(Evicted) = self.timeouts.place.keep_silent(&bell) {
                        self.evict(connection);
                        return Next::Again;
                    }
                }
            }
            (Phase::Quiet { .. }, _) if self.finishing => self.end(),
            (Phase::Quiet { requests }, _) => {
                if let Err(Evicted) = self.timeouts.place.end_silence() {
                    self.evict(connection);
                    return Next::Again;
                }
                // hyper is polled once more, so that the stream has no waker except the bell. hyper
                // may already have a part of the next head, which arrived together with the last
                // request: that counts as silence until more bytes arrive.
                let until = Instant::now() + self.timeouts.keep_alive;
                self.stage = Stage::Silent(Silence::new(until, requests, cx.waker()));
                return Next::Again;
            }
        }
        Next::Wait
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

    fn expire(&mut self, connection: &mut impl Connection) -> Next {
        match &self.stage {
            Stage::Begun => Next::Wait,
            // Answers may wait for the client: reading some of them woke the silent connection.
            Stage::Head { requests: 1.., .. } | Stage::Silent(_) => {
                self.finish(connection);
                Next::Again
            }
            Stage::Head { .. } => {
                tracing::debug!("the head of a request did not arrive in time");
                Next::Over
            }
            Stage::Working { .. } => match self.timeouts.activity.phase() {
                Phase::Working { until: Some(until) } if until <= Instant::now() => {
                    tracing::debug!("the client kept the body of a request or answer waiting");
                    Next::Over
                }
                // The connection has made progress since.
                _ => Next::Again,
            },
            Stage::Ending { .. } => {
                tracing::debug!("the client did not read the end of an answer");
                Next::Over
            }
        }
    }
}
