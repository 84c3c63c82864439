//! Pages and visitors that move to another server.

use http::HeaderMap;
use http::header::COOKIE;

use crate::testkit::{TestKit, TestPage, TestVisitor};

impl TestPage {
    /// The next [`reconnect`](Self::reconnect) goes to this server, as behind a load balancer.
    ///
    /// ```
    /// use ws_server::testkit::{Cluster, TestPage};
    ///
    /// async fn moves(page: &mut TestPage, cluster: &Cluster) {
    ///     page.set_server(cluster.node(1));
    ///     page.reconnect().await.unwrap();
    /// }
    /// ```
    pub fn set_server(&mut self, kit: &TestKit) {
        self.kit = kit.clone();
    }
}

impl TestVisitor {
    /// The same visitor at another server that shares the store of sessions.
    ///
    /// ```
    /// use ws_server::testkit::Cluster;
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
    /// #     .block_on(async {
    /// let cluster = Cluster::new(2).await;
    /// let ada = cluster.node(0).user("ada").await;
    /// let there = ada.at(cluster.node(1)).await;
    /// assert_eq!(there.session().user(), Some("ada"));
    /// # });
    /// ```
    ///
    /// # Panics
    ///
    /// Panics if the session has ended, or if the server has another store.
    pub async fn at(&self, kit: &TestKit) -> Self {
        let cookie = self.cookie().parse().expect("a header's value");
        let headers = HeaderMap::from_iter([(COOKIE, cookie)]);
        let found = kit.hub().sessions().find(&headers, self.secure).await;
        let session = found.expect("a store that answers");
        Self {
            hub: kit.hub().clone(),
            session: session.expect("a session that has not ended"),
            token: self.token.clone(),
            secure: self.secure,
        }
    }
}
