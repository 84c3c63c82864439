//! A built server in memory, for tests.

use ws_core::testkit::{TestKit, of_server};

use super::Ws;

impl Ws {
    /// Returns this server without its network: the same routes, sessions, pages and topics. A test
    /// calls the application's filters with `warp::test` (feature `test` of warp), and connects
    /// with the cookies of their responses.
    ///
    /// ```
    /// use warp::Filter;
    /// use ws_server::WsFilter;
    /// use ws_server::prelude::*;
    ///
    /// /// Greets the user.
    /// struct Greeter;
    ///
    /// #[ws_handler]
    /// impl Greeter {
    ///     fn init(session: Session, socket: &Socket<Self>) -> Result<Self, Refusal> {
    ///         let user = session.user().unwrap_or("stranger");
    ///         socket.send(format!("Hello, {user}!")).map(|()| Greeter).or_refuse()
    ///     }
    /// }
    ///
    /// dispatch! {
    ///     struct Routes;
    ///
    ///     greeter: "/greeter" => Greeter { require_page: false };
    /// }
    ///
    /// fn logon(ws: &Ws) -> WsFilter {
    ///     let logon = warp::path!("logon" / String).and(warp::post()).and(ws.session());
    ///     let logon = logon.then(async |user: String, mut visit: Visit| {
    ///         match visit.logon(user).await {
    ///             Ok(()) => visit.reply("welcome"),
    ///             Err(error) => visit.refuse(error),
    ///         }
    ///     });
    ///     logon.boxed()
    /// }
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
    /// #     .block_on(async {
    /// let ws = Server::new(Routes::table()).build().unwrap();
    /// let request = warp::test::request().method("POST").path("/logon/ada");
    /// let response = request.reply(&logon(&ws)).await;
    /// assert_eq!(response.status(), 200);
    ///
    /// let kit = ws.test_kit();
    /// let builder = kit.open("/greeter").cookies(response.headers());
    /// let mut client = builder.connect().await.unwrap();
    /// assert_eq!(client.text().await, "Hello, ada!");
    /// # });
    /// ```
    pub fn test_kit(&self) -> TestKit {
        let shared = &self.shared;
        of_server(
            shared.hub.clone(),
            shared.router.clone(),
            shared.policy.clone(),
        )
    }
}
