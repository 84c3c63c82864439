//! The state of an HTTP connection: its service and its bodies report it, and its timeouts read it.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::StatusCode;
use http::header::{CONNECTION, HeaderValue};
use tokio::time::Instant;
use ws_core::driver::ReadyConnection;

use super::allowance::{Allowance, TransferLimits};

/// Shared by the timeouts of a connection, its service, and the bodies of its requests and responses.
#[derive(Debug)]
pub(in crate::server) struct Activity {
    state: Mutex<ActivityState>,
    limits: TransferLimits,
    /// The maximum number of requests on the connection.
    max_requests: u64,
}

#[derive(Debug)]
struct ActivityState {
    /// Requests whose head has arrived.
    requests: u64,
    /// Requests whose response is not complete.
    open: usize,
    /// The body that has not fully arrived, with the number of its request.
    receiving: Option<(u64, Allowance)>,
    /// Bytes of responses that the system has not accepted yet.
    unsent: usize,
    /// Bytes of responses that the system has accepted since the last check of the timeouts.
    sent: usize,
    sending: Allowance,
    /// Whether the connection is being upgraded.
    switching: bool,
    opened: OpenedSlot,
}

/// The WebSocket connection that a request has opened, until the 101 is written. If the 101 is
/// never written, the connection is dropped, and ends.
#[derive(Default)]
struct OpenedSlot(Option<ReadyConnection>);

impl fmt::Debug for OpenedSlot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OpenedSlot")
            .field(&self.0.is_some())
            .finish()
    }
}

/// The event that a connection waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::server) enum Phase {
    /// The head of its first request.
    Opening,
    /// The end of a request: its body, the application, or a client that reads the response.
    Working {
        /// The earliest time at which the client can have used up its patience; `None` if the
        /// connection waits only for the application.
        until: Option<Instant>,
    },
    /// Another request, after this number of requests.
    Idle { requests: u64 },
    /// The end of the remaining output: the connection has reached its maximum number of requests.
    LimitReached,
    /// The end of the 101.
    Switching,
}

impl Activity {
    /// Creates the activity; `max_requests` is the maximum number of requests.
    pub(in crate::server) fn new(limits: TransferLimits, max_requests: u64) -> Arc<Self> {
        let state = ActivityState {
            requests: 0,
            open: 0,
            receiving: None,
            unsent: 0,
            sent: 0,
            sending: Allowance::new(limits),
            switching: false,
            opened: OpenedSlot::default(),
        };
        Arc::new(Self {
            state: Mutex::new(state),
            limits,
            max_requests,
        })
    }

    fn lock(&self) -> MutexGuard<'_, ActivityState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(in crate::server) fn phase(&self) -> Phase {
        let mut state = self.lock();
        if state.switching {
            return Phase::Switching;
        }
        let until = state.deadline(self.limits);
        match state.requests {
            0 => Phase::Opening,
            _ if until.is_some() || state.open > 0 => Phase::Working { until },
            requests if requests >= self.max_requests => Phase::LimitReached,
            requests => Phase::Idle { requests },
        }
    }

    /// Records that the head of a request has arrived. Returns the number of the request.
    pub(in crate::server) fn begin(&self) -> u64 {
        let mut state = self.lock();
        state.requests += 1;
        state.open += 1;
        state.requests
    }

    /// Records that the body of the latest request begins. Returns the number of the request.
    pub(super) fn begin_receiving(&self) -> u64 {
        let mut state = self.lock();
        state.receiving = Some((state.requests, Allowance::new(self.limits)));
        state.requests
    }

    /// Records that the response to the request with this number begins. The response to the last
    /// allowed request closes the connection.
    pub(super) fn begin_response<B>(&self, request: u64, response: &mut http::Response<B>) {
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            self.lock().switching = true;
        } else if request >= self.max_requests {
            let close = HeaderValue::from_static("close");
            response.headers_mut().insert(CONNECTION, close);
        }
    }

    /// Stores the connection that a request opens: its response is a 101.
    pub(in crate::server) fn open(&self, opened: ReadyConnection) {
        self.lock().opened = OpenedSlot(Some(opened));
    }

    /// Whether a request has opened a connection, which waits for its stream.
    pub(in crate::server) fn has_opened(&self) -> bool {
        self.lock().opened.0.is_some()
    }

    /// Takes the connection that a request has opened.
    pub(in crate::server) fn take_opened(&self) -> Option<ReadyConnection> {
        self.lock().opened.0.take()
    }

    /// Records that the application waits for more of the body of this request.
    pub(super) fn await_body(&self, request: u64) {
        if let Some(receiving) = self.lock().receiving_of(request) {
            receiving.wait(Instant::now());
        }
    }

    /// Records that more of the body of this request has arrived.
    pub(super) fn received(&self, request: u64, bytes: usize) {
        if let Some(receiving) = self.lock().receiving_of(request) {
            receiving.progress(bytes, Instant::now());
        }
    }

    /// Records that the body of this request has ended, or is not read any further. An application
    /// may keep it longer than hyper does, which may already have read the next request.
    pub(super) fn end_receiving(&self, request: u64) {
        let mut state = self.lock();
        if state.receiving_of(request).is_some() {
            state.receiving = None;
        }
    }

    /// Records that hyper takes these bytes of a response, to write them.
    pub(super) fn enqueue(&self, bytes: usize) {
        self.lock().unsent += bytes;
    }

    /// Records that the system has accepted these bytes of a response.
    pub(super) fn sent(&self, bytes: usize) {
        let mut state = self.lock();
        state.unsent -= bytes;
        state.sent = state.sent.saturating_add(bytes);
    }

    /// Records that these bytes of a response are discarded.
    pub(super) fn discard(&self, bytes: usize) {
        self.lock().unsent -= bytes;
    }

    /// Records that hyper has the whole response to a request, or has dropped it.
    pub(super) fn end_response(&self) {
        self.lock().open -= 1;
    }
}

impl ActivityState {
    fn receiving_of(&mut self, request: u64) -> Option<&mut Allowance> {
        let receiving = self.receiving.as_mut();
        receiving.and_then(|(of, allowance)| (*of == request).then_some(allowance))
    }

    /// Returns the earliest time at which the client can run out of its allowances. Reads the clock
    /// only if something may be waiting for the client.
    fn deadline(&mut self, limits: TransferLimits) -> Option<Instant> {
        if self.receiving.is_none() && self.unsent == 0 {
            if self.sent > 0 {
                self.sent = 0;
                self.sending = Allowance::new(limits);
            }
            return None;
        }
        let now = Instant::now();
        let receiving = self
            .receiving
            .as_ref()
            .map(|(_, receiving)| receiving.deadline(now));
        let sent = std::mem::take(&mut self.sent);
        if sent > 0 {
            self.sending.progress(sent, now);
        }
        if self.unsent == 0 {
            return receiving;
        }
        self.sending.wait(now);
        let sending = self.sending.deadline(now);
        Some(receiving.map_or(sending, |receiving| receiving.min(sending)))
    }
}
