//! A visitor's request on the HTTP side.

use std::net::IpAddr;
use std::sync::Arc;

use http::header::{CACHE_CONTROL, SET_COOKIE};
use http::{HeaderMap, HeaderValue};
use ws_core::admit::Client;
use ws_core::error::Refusal;
use ws_core::fields::elements;
use ws_core::page::Page;
use ws_core::session::{Session, SessionError, SessionToken};

use super::cookie::CookieWriter;
use crate::exchange::{DroppedVisit, Exchange};
use crate::shared::ServerShared;

/// A visitor's request: the session, and the cookies that the response has to set.
///
/// [`Ws::visit`](crate::Ws::visit) and [`Ws::find_visit`](crate::Ws::find_visit) return one, for a
/// request in any framework. The warp filters [`Ws::session`](crate::Ws::session),
/// [`Ws::page`](crate::Ws::page) and [`Ws::current_visit`](crate::Ws::current_visit) extract one.
/// [`apply`](Self::apply), and for warp [`reply`](Self::reply) and [`refuse`](Self::refuse), set the
/// cookies, so every response must use one of them: if the cookie of
/// a new session is not set, the session is lost, and a logon without its cookie has no effect in
/// the browser. If a visit with such cookies is dropped without a response, this is logged at
/// `warn`, at most once in ten seconds. Under the server's own accept loop, nothing is logged if
/// the client leaves before the application responds; other loops, such as that of `warp::serve`, do
/// not report this.
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
#[must_use = "the response has to set the visitor's cookies: end with `visit.apply(…)` or `visit.reply(…)`"]
pub struct Visit {
    shared: Arc<ServerShared>,
    session: Session,
    secure: bool,
    /// Cookies that the response still has to set, as is `page`.
    cookie: CookieChange,
    page: Option<Page>,
    /// The visitor's address, for the log.
    address: Option<IpAddr>,
    /// The address whose pages are limited; `None` if many visitors may share it.
    counted: Option<IpAddr>,
    /// `None` under an accept loop other than the server's.
    exchange: Option<Exchange>,
}

/// The pending change of the session's cookie.
#[derive(Debug, Default)]
enum CookieChange {
    #[default]
    Unchanged,
    Set(SessionToken),
    Remove,
}

impl Visit {
    pub(super) fn existing(shared: Arc<ServerShared>, session: Session, secure: bool) -> Self {
        Self {
            shared,
            session,
            secure,
            cookie: CookieChange::Unchanged,
            page: None,
            address: None,
            counted: None,
            exchange: None,
        }
    }

    pub(super) fn new_session(
        shared: Arc<ServerShared>,
        session: Session,
        token: SessionToken,
        secure: bool,
    ) -> Self {
        let mut visit = Self::existing(shared, session, secure);
        visit.cookie = CookieChange::Set(token);
        visit
    }

    /// Ends the visit without a response, because of this error.
    pub(super) fn failed(mut self, error: SessionError) -> Refusal {
        self.pending();
        let notices = &self.shared.policy.request_log;
        notices.no_session(&error, self.address);
        error.into()
    }

    /// Takes the cookies that the response has to set; none is pending afterwards.
    fn pending(&mut self) -> (CookieChange, Option<Page>) {
        (std::mem::take(&mut self.cookie), self.page.take())
    }

    /// Sets the visitor's address.
    pub(super) fn with_client(mut self, client: &Client) -> Self {
        self.address = client.address();
        self.counted = client.counted_address();
        self
    }

    /// Sets the exchange that the visit belongs to.
    pub(super) fn with_exchange(mut self, exchange: Option<Exchange>) -> Self {
        self.exchange = exchange;
        self
    }

    /// Returns the visitor's session. After [`logon`](Self::logon) it is the new one.
    pub const fn session(&self) -> &Session {
        &self.session
    }

    /// Returns the user who is logged on; `None` after [`logoff`](Self::logoff).
    pub fn user(&self) -> Option<&str> {
        self.session.user().filter(|_| self.session.is_current())
    }

    /// Logs the visitor on as this user, whom the application must have authenticated.
    ///
    /// The session continues with its values under a new id, and the old cookie becomes invalid, so
    /// an attacker who planted or saw it gains nothing. Open connections stay open and do not see
    /// the user until they reconnect; they are closed when the session ends.
    ///
    /// If another user was logged on, that session ends as with [`logoff`](Self::logoff), and the
    /// new user begins without its values and its connections.
    ///
    /// # Errors
    ///
    /// Returns [`SessionError::Foreign`] if the application manages the sessions, and the errors of
    /// the store. Then the logged-on user is unchanged.
    pub async fn logon(&mut self, user: impl Into<String>) -> Result<(), SessionError> {
        let user = user.into();
        if self.user().is_some_and(|before| before != user) {
            self.logoff().await?;
        }
        let renewed = self
            .shared
            .hub
            .sessions()
            .renew(&self.session, Some(user.clone()))
            .await;
        let (session, token) = match renewed {
            // The session ended just now, or while the visitor typed: the user gets a new one.
            Err(SessionError::Ended) => {
                let (session, _) = self.shared.hub.sessions().begin().await?;
                self.shared
                    .hub
                    .sessions()
                    .renew(&session, Some(user))
                    .await?
            }
            renewed => renewed?,
        };
        self.session = session;
        self.cookie = CookieChange::Set(token);
        Ok(())
    }

    /// Logs the visitor off: the session ends with all its values, and its connections are closed
    /// with 4401 at once. The reply removes the cookies from the browser.
    ///
    /// If the application manages the sessions, it must end its own session too.
    ///
    /// ```
    /// # use warp::reply::{Reply, Response};
    /// # use ws_server::Visit;
    /// /// Behind the filter [`Ws::current_visit`](crate::Ws::current_visit).
    /// async fn log_off(visit: Option<Visit>) -> Response {
    ///     let Some(mut visit) = visit else { return "bye".into_response() };
    ///     match visit.logoff().await {
    ///         Ok(()) => visit.reply("bye"),
    ///         Err(error) => visit.refuse(error),
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns the errors of the store. The connections are closed nevertheless.
    pub async fn logoff(&mut self) -> Result<(), SessionError> {
        self.shared.hub.sessions().end(&self.session).await?;
        self.page = None;
        self.cookie = CookieChange::Remove;
        Ok(())
    }

    /// Issues a page of the session, for the HTML that the reply will contain.
    ///
    /// ```
    /// # use warp::reply::Response;
    /// # use ws_server::Visit;
    /// fn home(mut visit: Visit) -> Response {
    ///     match visit.open_page() {
    ///         Ok(page) => visit.reply(warp::reply::html(page.stream_tag("/stream").to_string())),
    ///         Err(error) => visit.refuse(error),
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`SessionError::Random`] if the operating system provides no random numbers, and
    /// [`SessionError::Ended`] after a logoff.
    pub fn open_page(&mut self) -> Result<Page, SessionError> {
        let page = self.shared.hub.open_page_for(&self.session, self.counted)?;
        self.page = Some(page.clone());
        Ok(page)
    }

    /// Adds the cookies of the session and of the page to the headers of the response.
    ///
    /// It sets `Cache-Control: private, no-cache`, because the response is for one visitor. A
    /// header that the application has set is kept if it contains `private` or `no-store`, or if no
    /// cookie is set.
    ///
    /// ```
    /// use http::Response;
    /// use ws_server::{Refusal, Visit};
    ///
    /// async fn log_on(mut visit: Visit, user: String) -> Response<String> {
    ///     let mut response = match visit.logon(user).await {
    ///         Ok(()) => Response::new("welcome".to_owned()),
    ///         Err(error) => Refusal::from(error).into_response(),
    ///     };
    ///     visit.apply(response.headers_mut());
    ///     response
    /// }
    /// ```
    pub fn apply(mut self, headers: &mut HeaderMap) {
        let (cookie, issued) = self.pending();
        let (names, secure) = (self.shared.hub.sessions(), self.secure);
        let (session, page) = (names.session_cookie(secure), names.page_cookie(secure));
        let options = names.cookies();
        let writer = CookieWriter { options, secure };
        let mut cookies = match cookie {
            CookieChange::Unchanged => vec![],
            CookieChange::Set(token) => vec![writer.session(session, &token.cookie_value())],
            CookieChange::Remove => vec![writer.remove(session), writer.remove(page)],
        };
        if let Some(issued) = issued {
            cookies.push(writer.page(page, issued.id()));
        }
        for mut cookie in cookies {
            cookie.set_sensitive(true);
            headers.append(SET_COOKIE, cookie);
        }
        let is_cacheable = headers.contains_key(CACHE_CONTROL) && !headers.contains_key(SET_COOKIE);
        if !is_cacheable && !is_private(headers) {
            let private = HeaderValue::from_static("private, no-cache");
            headers.insert(CACHE_CONTROL, private);
        }
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let cookies = match self.pending() {
            (CookieChange::Set(_), _) => "of a new session",
            (CookieChange::Remove, _) => "of the session, to be removed",
            (CookieChange::Unchanged, Some(_)) => "of a new page",
            (CookieChange::Unchanged, None) => return,
        };
        // A panic has its own log entry.
        if std::thread::panicking() {
            return;
        }
        let dropped = DroppedVisit::new(cookies, &self.shared.hints.dropped_visits);
        match &self.exchange {
            Some(exchange) => exchange.visit_dropped(dropped),
            None => dropped.log(),
        }
    }
}

/// Whether no shared cache may keep the response (RFC 9111, section 5.2.2).
fn is_private(headers: &HeaderMap) -> bool {
    elements(headers, &CACHE_CONTROL)
        .any(|word| word.eq_ignore_ascii_case(b"private") || word.eq_ignore_ascii_case(b"no-store"))
}
