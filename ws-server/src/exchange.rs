//! A request of the server's own accept loop, and whether it has been answered.

use std::sync::{Arc, Mutex, PoisonError};

use ws_core::throttle::LogThrottle;

/// One request and its answer. Clones share the same exchange.
///
/// A visit that is dropped before the application has answered was forgotten only if an answer
/// follows: if the client leaves first, hyper drops the application's future and the visit with it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Exchange(Arc<Mutex<State>>);

#[derive(Debug)]
enum State {
    /// The application is working on the answer, and has dropped this visit.
    Open(Option<Forgotten>),
    Answered,
}

impl Default for State {
    fn default() -> Self {
        Self::Open(None)
    }
}

impl Exchange {
    /// Records a visit that was dropped without an answer, to log it as soon as the request is
    /// answered.
    pub(crate) fn forget(&self, forgotten: Forgotten) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *state {
            State::Open(earlier) => {
                earlier.get_or_insert(forgotten);
            }
            State::Answered => {
                drop(state);
                forgotten.log();
            }
        }
    }

    /// Records that the application has answered.
    pub(crate) fn end(&self) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *state, State::Answered);
        drop(state);
        if let State::Open(Some(forgotten)) = before {
            forgotten.log();
        }
    }
}

/// A visit that ended without its answer.
#[derive(Debug)]
pub(crate) struct Forgotten {
    /// The cookies that the answer should have set.
    cookies: &'static str,
    throttle: LogThrottle,
}

impl Forgotten {
    pub(crate) fn new(cookies: &'static str, throttle: &LogThrottle) -> Self {
        let throttle = throttle.clone();
        Self { cookies, throttle }
    }

    pub(crate) fn log(&self) {
        if let Some(visits) = self.throttle.count() {
            tracing::warn!(
                cookies = self.cookies,
                visits,
                "a `Visit` was dropped without `reply` or `refuse`, so the browser does not get \
                 its cookies; answer with `visit.reply(…)`, and put `ws.session()` and \
                 `ws.page()` behind the filters that may reject"
            );
        }
    }
}
