//! The kit of a server that is built, whose HTTP side sets the cookies.

use std::sync::Arc;

use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderValue};

use super::{Knock, TestKit};
use crate::admit::Policy;
use crate::hub::Hub;
use crate::route::Router;

impl TestKit {
    /// The server of these parts, without its network: `Ws::test_kit` of `ws-server` makes a kit
    /// of a server that is built.
    pub fn of_server(hub: Hub, router: Arc<Router>, policy: Policy) -> Self {
        Self {
            hub,
            router: Some(router),
            policy,
        }
    }
}

impl Knock {
    /// Sends the cookies that this response has set, as a browser does that got it: those of the
    /// session and of the page, after a filter of the application answered.
    ///
    /// # Panics
    ///
    /// Never: what was a cookie in one header can be one in another.
    pub fn cookies(mut self, response: &HeaderMap) -> Self {
        for set in response.get_all(SET_COOKIE) {
            let pair = set.as_bytes().split(|byte| *byte == b';').next();
            let cookie = HeaderValue::from_bytes(pair.unwrap_or_default());
            self.headers.append(COOKIE, cookie.expect("a cookie"));
        }
        self
    }
}
