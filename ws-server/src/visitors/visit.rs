//! A visitor's request, on the HTTP side.

use http::HeaderValue;
use http::header::{CACHE_CONTROL, SET_COOKIE};
use warp::Reply;
use warp::reply::Response;
use ws_core::error::Refusal;
use ws_core::fields::elements;
use ws_core::hub::Hub;
use ws_core::page::Page;
use ws_core::session::{Session, SessionError, SessionToken};

use super::cookie;

/// A visitor's request: the session, and what the reply has to tell the browser of it.
///
/// [`Ws::session`](crate::Ws::session), [`Ws::page`](crate::Ws::page) and
/// [`Ws::current_visit`](crate::Ws::current_visit) give one. Cookies are set by
/// [`reply`](Self::reply) and [`refuse`](Self::refuse), so every answer should go through
/// them: a new session whose cookie is not set is lost.
///
/// ```no_run
/// # fn routes(ws: ws_server::Ws) -> impl warp::Filter {
/// use warp::Filter;
/// use ws_server::{Page, Visit};
///
/// warp::path::end()
///     .and(warp::get())
///     .and(ws.page())
///     .map(|visit: Visit, page: Page| {
///         let html = format!("<body data-page={}>", page.id());
///         visit.reply(warp::reply::html(html))
///     })
/// # }
/// ```
#[derive(Debug)]
#[must_use = "the reply has to set the visitor's cookies: end with `visit.reply(…)`"]
pub struct Visit {
    hub: Hub,
    session: Session,
    secure: bool,
    cookie: Cookie,
    page: Option<Page>,
}

/// What becomes of the session's cookie.
#[derive(Debug)]
enum Cookie {
    Stays,
    Set(SessionToken),
    Removed,
}

impl Visit {
    pub(super) fn continued(hub: Hub, session: Session, secure: bool) -> Self {
        Self {
            hub,
            session,
            secure,
            cookie: Cookie::Stays,
            page: None,
        }
    }

    pub(super) fn begun(hub: Hub, session: Session, token: SessionToken, secure: bool) -> Self {
        Self {
            cookie: Cookie::Set(token),
            ..Self::continued(hub, session, secure)
        }
    }

    /// The visitor's session. After [`logon`](Self::logon) it is the new one.
    pub const fn session(&self) -> &Session {
        &self.session
    }

    /// Who has logged on; nobody after [`logoff`](Self::logoff).
    pub fn user(&self) -> Option<&str> {
        self.session.user().filter(|_| self.session.is_current())
    }

    /// Logs the visitor on as this user, whom the application has made sure of.
    ///
    /// The session goes on with its values under a new id, and the cookie of before is worth
    /// nothing: whoever planted or saw it gains nothing. Sockets that are open stay open and
    /// do not see the user until they connect anew; they are closed when the session ends.
    ///
    /// Where another user was logged on, that session ends as by [`logoff`](Self::logoff), and
    /// the new user begins without its values and its sockets.
    ///
    /// # Errors
    ///
    /// [`SessionError::Foreign`] where sessions are the application's, and what the store may
    /// say. Then nobody else is logged on than before.
    pub async fn logon(&mut self, user: impl Into<String>) -> Result<(), SessionError> {
        let user = user.into();
        if self.user().is_some_and(|before| before != user) {
            self.logoff().await?;
        }
        let renewed = self
            .hub
            .sessions()
            .renew(&self.session, Some(user.clone()))
            .await;
        let (session, token) = match renewed {
            // It ended just now, or while the visitor typed: the user gets another one.
            Err(SessionError::Ended) => {
                let (session, _) = self.hub.sessions().begin().await?;
                self.hub.sessions().renew(&session, Some(user)).await?
            }
            renewed => renewed?,
        };
        self.session = session;
        self.cookie = Cookie::Set(token);
        Ok(())
    }

    /// Logs the visitor off: the session ends, with everything in it, and its sockets are
    /// closed with 4401 at once. The reply takes the cookies from the browser.
    ///
    /// A session of the application's has to be ended there, too.
    ///
    /// # Errors
    ///
    /// What the store may say. The sockets are closed nevertheless.
    pub async fn logoff(&mut self) -> Result<(), SessionError> {
        self.hub.sessions().end(&self.session).await?;
        self.page = None;
        self.cookie = Cookie::Removed;
        Ok(())
    }

    /// Issues a page of the session, for the HTML that the reply will be.
    ///
    /// # Errors
    ///
    /// [`SessionError::Random`] where the operating system has no random numbers;
    /// [`SessionError::Ended`] after a logoff.
    pub fn open_page(&mut self) -> Result<Page, SessionError> {
        let page = self.hub.open_page(&self.session)?;
        self.page = Some(page.clone());
        Ok(page)
    }

    /// A refusal as the reply, such as that of an error of the session.
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
    pub fn refuse(self, refusal: impl Into<Refusal>) -> Response {
        self.reply(refusal.into().into_response())
    }

    /// The reply, with the cookies of the session and of the page.
    ///
    /// It says `Cache-Control: private, no-cache`, since it is for one visitor. What the
    /// application says instead stands, where it is `private` or `no-store`, or where no
    /// cookie is set.
    pub fn reply(self, reply: impl Reply) -> Response {
        let mut response = reply.into_response();
        let (names, secure) = (self.hub.sessions(), self.secure);
        let (session, page) = (names.session_cookie(secure), names.page_cookie(secure));
        let mut cookies = match &self.cookie {
            Cookie::Stays => vec![],
            Cookie::Set(token) => vec![cookie::set(session, &token.cookie_value(), secure)],
            Cookie::Removed => vec![
                cookie::remove(session, secure),
                cookie::remove(page, secure),
            ],
        };
        if let Some(issued) = &self.page {
            cookies.push(cookie::set(page, issued.id(), secure));
        }
        let headers = response.headers_mut();
        for mut cookie in cookies {
            cookie.set_sensitive(true);
            headers.append(SET_COOKIE, cookie);
        }
        let is_said = headers.contains_key(CACHE_CONTROL) && !headers.contains_key(SET_COOKIE);
        if !is_said && !is_private(headers) {
            let private = HeaderValue::from_static("private, no-cache");
            headers.insert(CACHE_CONTROL, private);
        }
        response
    }
}

/// Whether no shared cache may keep the response (RFC 9111, section 5.2.2).
fn is_private(headers: &http::HeaderMap) -> bool {
    elements(headers, &CACHE_CONTROL)
        .any(|word| word.eq_ignore_ascii_case(b"private") || word.eq_ignore_ascii_case(b"no-store"))
}
