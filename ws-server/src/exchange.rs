//! A request of the server's own accept loop, and whether the application has responded.

use std::sync::{Arc, Mutex, PoisonError};

use ws_core::throttle::LogThrottle;

/// An extension that the server's own accept loop sets: the target of the request, of which warp
/// shows filters only parts, and the exchange of the request.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    #[cfg(feature = "warp")]
    pub(crate) uri: http::Uri,
    pub(crate) exchange: Exchange,
}

/// One request and its response. Clones share the same exchange.
///
/// A visit that is dropped without a response is logged only when the application responds: if the
/// client leaves first, hyper drops the application's future and the visit with it, which is no
/// mistake.
#[derive(Clone, Debug, Default)]
pub(crate) struct Exchange(Arc<Mutex<ExchangeState>>);

#[derive(Debug)]
enum ExchangeState {
    /// The application is working on the response, and has dropped this visit.
    Open(Option<DroppedVisit>),
    Responded,
}

impl Default for ExchangeState {
    fn default() -> Self {
        Self::Open(None)
    }
}

impl Exchange {
    /// Records a visit that was dropped without a response, to log it as soon as the application
    /// responds.
    pub(crate) fn visit_dropped(&self, dropped: DroppedVisit) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *state {
            ExchangeState::Open(earlier) => {
                earlier.get_or_insert(dropped);
            }
            ExchangeState::Responded => {
                drop(state);
                dropped.log();
            }
        }
    }

    /// Records that the application has responded.
    pub(crate) fn end(&self) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *state, ExchangeState::Responded);
        drop(state);
        if let ExchangeState::Open(Some(dropped)) = before {
            dropped.log();
        }
    }
}

/// A visit that ended without its response.
#[derive(Debug)]
pub(crate) struct DroppedVisit {
    /// The cookies that the response should have set.
    cookies: &'static str,
    throttle: LogThrottle,
}

impl DroppedVisit {
    pub(crate) fn new(cookies: &'static str, throttle: &LogThrottle) -> Self {
        let throttle = throttle.clone();
        Self { cookies, throttle }
    }

    pub(crate) fn log(&self) {
        if let Some(visits) = self.throttle.count() {
            tracing::warn!(
                cookies = self.cookies,
                visits,
                "a `Visit` was dropped without a response, so the browser does not get its \
                 cookies; respond with `visit.reply(…)`, or call `visit.apply(…)`, and put \
                 `ws.session()` and `ws.page()` behind the filters that may reject"
            );
        }
    }
}
