//! Refusals on the HTTP side, as warp's rejections.

use warp::reject::Reject;
use warp::reply::Response;
use warp::{Rejection, Reply};
use ws_core::error::Refusal;

#[derive(Debug)]
struct RefusalRejection(Refusal);

impl Reject for RefusalRejection {}

/// Creates a rejection from a refusal, or from a type that converts into one, such as a
/// [`SessionError`](crate::session::SessionError); for filters behind `and_then`.
///
/// It sets no cookies: if a handler has a [`Visit`](crate::Visit), it should respond with
/// [`Visit::refuse`](crate::Visit::refuse).
///
/// [`Ws::serve`](crate::Ws::serve) responds with the refusal's status, headers and body; under
/// other servers, [`recover`] does.
///
/// ```
/// # fn filter(ws: ws_server::Ws) -> impl warp::Filter<Extract = (String,), Error = warp::Rejection> {
/// use warp::Filter;
/// use ws_server::{Refusal, Session, reject};
///
/// // The user who has logged on, or 401.
/// ws.current_session().and_then(async |session: Option<Session>| {
///     let user = session.and_then(|session| session.user().map(str::to_owned));
///     user.ok_or_else(|| reject(Refusal::UNAUTHORIZED))
/// })
/// # }
/// ```
#[must_use = "a rejection does nothing before it is returned"]
pub fn reject(refusal: impl Into<Refusal>) -> Rejection {
    warp::reject::custom(RefusalRejection(refusal.into()))
}

/// Turns the rejections of this library's filters into responses, and passes on all others; for
/// `recover` of a filter that `warp::serve` serves.
///
/// ```no_run
/// # async fn run(ws: ws_server::Ws) {
/// use warp::Filter;
///
/// let home = warp::path::end()
///     .and(ws.session())
///     .map(|visit: ws_server::Visit| visit.reply("welcome"));
/// let all = ws.filter().or(home).recover(ws_server::recover);
/// warp::serve(all).run(([127, 0, 0, 1], 3030)).await;
/// # }
/// ```
///
/// # Errors
///
/// Returns the rejection if it is not one of this library.
pub async fn recover(rejection: Rejection) -> Result<Response, Rejection> {
    match rejection.find::<RefusalRejection>() {
        Some(RefusalRejection(refusal)) => {
            let status = refusal.status().as_u16();
            tracing::debug!(status, "refused");
            Ok(refusal.clone().into_response().into_response())
        }
        None => Err(rejection),
    }
}
