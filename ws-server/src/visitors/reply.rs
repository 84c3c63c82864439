//! The response to a visitor's request, for warp.

use warp::Reply;
use warp::reply::Response;
use ws_core::error::Refusal;

use super::Visit;

impl Visit {
    /// Returns a refusal as the reply, such as that of an error of the session.
    ///
    /// ```
    /// # use ws_server::Visit;
    /// # use warp::reply::Response;
    /// async fn log_on(user: String, mut visit: Visit) -> Response {
    ///     match visit.logon(user).await {
    ///         Ok(()) => visit.reply("welcome"),
    ///         Err(error) => visit.refuse(error),
    ///     }
    /// }
    /// ```
    #[must_use = "the reply sets the visitor's cookies: return it"]
    pub fn refuse(self, refusal: impl Into<Refusal>) -> Response {
        self.reply(refusal.into().into_response())
    }

    /// Returns the reply, with the cookies of the session and of the page; see
    /// [`apply`](Self::apply).
    #[must_use = "the reply sets the visitor's cookies: return it"]
    pub fn reply(self, reply: impl Reply) -> Response {
        let mut response = reply.into_response();
        self.apply(response.headers_mut());
        response
    }
}
