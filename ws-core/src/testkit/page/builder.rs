//! Builds the page of a test.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::script::Script;
use super::{ChangeHandshake, TestPage};
use crate::error::Refusal;
use crate::page::Page;
use crate::testkit::{ClientBuilder, TestKit, TestVisitor};

/// Every page has a script with its own number.
static SCRIPTS: AtomicU64 = AtomicU64::new(1);

impl TestKit {
    /// Creates a page that connects to the route of this path: to
    /// [`PageStream`](crate::stream::PageStream), or to a handler with `attach: page`. It
    /// implements the page protocol like the browser client: see [`TestPage`].
    pub fn page(&self, path: &str) -> PageBuilder {
        PageBuilder {
            kit: self.clone(),
            path: path.to_owned(),
            visitor: None,
            page: None,
            has_cookies: true,
            each: Arc::new(|builder| builder),
        }
    }
}

/// A page that has not connected yet, from [`TestKit::page`].
#[must_use = "it connects with `connect`"]
pub struct PageBuilder {
    kit: TestKit,
    path: String,
    visitor: Option<TestVisitor>,
    page: Option<Page>,
    has_cookies: bool,
    each: ChangeHandshake,
}

impl fmt::Debug for PageBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PageBuilder")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

impl PageBuilder {
    /// Sets the visitor of the page. The default is a new visitor who has not logged on.
    pub fn visitor(mut self, visitor: &TestVisitor) -> Self {
        self.visitor = Some(visitor.clone());
        self
    }

    /// Sets a page that was rendered for the visitor. By default, [`connect`](Self::connect)
    /// renders one.
    pub fn page(mut self, page: &Page) -> Self {
        self.page = Some(page.clone());
        self
    }

    /// Makes the page that of a device without cookies: it has no visitor, and gets its id from the
    /// server, for a route with `attach: page` and `require_session: false`.
    ///
    /// ```
    /// use ws_server::prelude::*;
    /// use ws_server::testkit::TestKit;
    ///
    /// dispatch! {
    ///     struct Routes;
    ///
    ///     device: "/device" => PageStream { attach: page, require_session: false };
    /// }
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(async {
    /// let kit = TestKit::table(Routes::table(), ws_server::extract::NoState).unwrap();
    /// let mut device = kit.page("/device").without_cookies().connect().await.unwrap();
    /// let id = device.page().id().to_owned();
    /// device.disconnect().await;
    /// assert_eq!(kit.hub().page(&id).unwrap().push("switch", &true), 1);
    /// device.reconnect().await.unwrap();
    /// assert_eq!(device.event::<bool>("switch").await, true);
    /// # });
    /// ```
    pub const fn without_cookies(mut self) -> Self {
        self.has_cookies = false;
        self
    }

    /// Changes each handshake of the page, including those of [`reconnect`](TestPage::reconnect):
    /// its headers, its address, its network.
    pub fn each_handshake(
        mut self,
        change: impl Fn(ClientBuilder) -> ClientBuilder + Send + Sync + 'static,
    ) -> Self {
        self.each = Arc::new(change);
        self
    }

    /// Connects.
    ///
    /// # Errors
    ///
    /// The refusal of admission or of `init`; 404 if no route has the path.
    ///
    /// # Panics
    ///
    /// Panics if the kit has no table.
    pub async fn connect(self) -> Result<TestPage, Refusal> {
        let visitor = match self.visitor {
            None if self.has_cookies => Some(self.kit.visitor().await),
            visitor => visitor.filter(|_| self.has_cookies),
        };
        let rendered = self.page;
        let rendered = rendered.or_else(|| visitor.as_ref().map(TestVisitor::page));
        let client = SCRIPTS.fetch_add(1, Ordering::Relaxed);
        let mut page = TestPage {
            script: Arc::new(Script::of(rendered.as_ref())),
            kit: self.kit,
            path: self.path,
            visitor,
            page: rendered,
            client,
            each: self.each,
            connection: None,
            last_call: 0,
        };
        page.reconnect().await?;
        Ok(page)
    }
}
