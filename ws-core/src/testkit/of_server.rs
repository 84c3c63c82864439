//! A test kit for a built server, whose HTTP side sets the cookies.

use std::sync::Arc;

use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderValue};

use super::{ClientBuilder, TestKit};
use crate::admit::AdmissionPolicy;
use crate::hub::Hub;
use crate::route::Router;

/// Creates a kit from the parts of a server.
pub fn of_server(hub: Hub, router: Arc<Router>, policy: AdmissionPolicy) -> TestKit {
    TestKit {
        hub,
        router: Some(router),
        policy,
    }
}

impl TestKit {
    /// Creates a kit whose connections belong to this hub, for example to one that shares its log
    /// through an engine of your own.
    pub fn with_hub(hub: Hub) -> Self {
        Self {
            hub,
            ..Self::default()
        }
    }
}

impl ClientBuilder {
    /// Sends the cookies of this response, as a browser does: those of the session and the page
    /// that a filter of the application has set.
    ///
    /// # Panics
    ///
    /// Never panics: a cookie that was valid in one header is valid in another.
    pub fn cookies(mut self, response: &HeaderMap) -> Self {
        for set in response.get_all(SET_COOKIE) {
            let pair = set.as_bytes().split(|byte| *byte == b';').next();
            let cookie = HeaderValue::from_bytes(pair.unwrap_or_default());
            self.headers.append(COOKIE, cookie.expect("a cookie"));
        }
        self
    }
}
