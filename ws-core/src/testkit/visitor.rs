//! Visitors for tests: sessions and pages, without HTTP.

use http::HeaderMap;
use http::header::COOKIE;

use super::TestKit;
use crate::hub::Hub;
use crate::page::Page;
use crate::session::{Session, SessionToken};

/// A visitor with a session, such as a browser that has opened a page.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// use ws_server::testkit::TestKit;
///
/// let kit = TestKit::new();
/// let mut visitor = kit.visitor().await;
/// assert_eq!(visitor.session().user(), None);
/// visitor.logon("ada").await;
/// assert_eq!(visitor.session().user(), Some("ada"));
/// visitor.logoff().await;
/// assert!(!visitor.session().is_current());
/// # });
/// ```
#[derive(Clone, Debug)]
pub struct TestVisitor {
    pub(super) hub: Hub,
    pub(super) session: Session,
    pub(super) token: SessionToken,
    pub(super) secure: bool,
}

impl TestKit {
    /// Creates a visitor with a session who has not logged on.
    ///
    /// # Panics
    ///
    /// Panics if the kit's session store cannot create a session.
    pub async fn visitor(&self) -> TestVisitor {
        let client = self.policy.client(None, &HeaderMap::new());
        let is_secure = client.is_ok_and(|client| client.is_secure());
        TestVisitor::new(self.hub.clone(), is_secure).await
    }

    /// Creates a visitor who has logged on as this user.
    ///
    /// # Panics
    ///
    /// Same as [`visitor`](Self::visitor).
    pub async fn user(&self, user: &str) -> TestVisitor {
        let mut visitor = self.visitor().await;
        visitor.logon(user).await;
        visitor
    }
}

impl TestVisitor {
    async fn new(hub: Hub, secure: bool) -> Self {
        let begun = hub.sessions().begin().await;
        let (session, token) = begun.expect("the store accepts a session");
        let visitor = Self {
            hub,
            session,
            token,
            secure,
        };
        // Browsers send the cookie back, which confirms the session.
        let cookie = visitor.cookie().parse().expect("a header's value");
        let headers = HeaderMap::from_iter([(COOKIE, cookie)]);
        let found = visitor.hub.sessions().find(&headers, secure).await;
        found
            .expect("a store that answers")
            .expect("a session that was begun");
        visitor
    }

    /// Returns the visitor's current session.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Returns the visitor's cookie for the header `Cookie`. Over TLS, for example with a
    /// `public_url` of `https`, its name begins with `__Host-`.
    pub fn cookie(&self) -> String {
        let name = self.hub.sessions().session_cookie(self.secure);
        format!("{name}={}", self.token.cookie_value())
    }

    /// Renders a page for the visitor, even if the session has ended.
    ///
    /// # Panics
    ///
    /// Panics if the system has no random numbers.
    pub fn page(&self) -> Page {
        Page::issue(self.hub.pages(), &self.session, None).expect("random numbers")
    }

    /// Logs the visitor on. The visitor has a new cookie from then on.
    ///
    /// # Panics
    ///
    /// Panics if the session has ended.
    pub async fn logon(&mut self, user: &str) {
        let user = Some(user.to_owned());
        let renewed = self.hub.sessions().renew(&self.session, user).await;
        (self.session, self.token) = renewed.expect("a session that has not ended");
    }

    /// Logs the visitor off: the session ends. The cookie does not change.
    ///
    /// # Panics
    ///
    /// Panics if the store fails.
    pub async fn logoff(&mut self) {
        let ended = self.hub.sessions().end(&self.session).await;
        ended.expect("a store that forgets");
    }
}
