//! Refusals of a handshake, and the conversion of any error into one.

use std::any::Any;
use std::borrow::Cow;
use std::fmt;

use http::{HeaderName, HeaderValue, Response, StatusCode};

use crate::close::Close;
use crate::hook;

mod cause;
mod handle;

pub(crate) use cause::with_causes;
pub use cause::{Cause, EncodeError};
pub use handle::{EnterError, NotifyError, SendError, SpawnError};

/// A handshake that is not accepted: the HTTP response that the client gets instead of 101 (RFC
/// 6455, section 4.2.2).
///
/// ```
/// use http::StatusCode;
/// use ws_server::error::Refusal;
///
/// let refusal = Refusal::new(StatusCode::PAYMENT_REQUIRED).body("no credit left");
/// assert_eq!(refusal.status(), 402);
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Refusal {
    status: StatusCode,
    headers: Vec<(HeaderName, HeaderValue)>,
    body: Cow<'static, str>,
}

/// Defines a constant for every status that handlers commonly need.
macro_rules! refusals {
    ($( $(#[$doc:meta])* $name:ident; )*) => {
        impl Refusal {
            $( $(#[$doc])* pub const $name: Self = Self::new(StatusCode::$name); )*
        }
    };
}

refusals! {
    /// 400: the request is invalid.
    BAD_REQUEST;
    /// 401: the client must authenticate.
    UNAUTHORIZED;
    /// 403: the client is not allowed.
    FORBIDDEN;
    /// 404: the resource does not exist.
    NOT_FOUND;
    /// 409: the request conflicts with the current state.
    CONFLICT;
    /// 410: the resource no longer exists.
    GONE;
    /// 429: too many requests or connections from this client.
    TOO_MANY_REQUESTS;
    /// 500: an error in the server.
    INTERNAL_SERVER_ERROR;
    /// 503: try again later.
    SERVICE_UNAVAILABLE;
}

/// How many seconds a client should wait before it retries after a 503.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("5");

impl Refusal {
    /// 503 with this body and a `Retry-After` header.
    ///
    /// ```
    /// use ws_server::Refusal;
    ///
    /// let response = Refusal::unavailable("the room is full").into_response();
    /// assert_eq!(response.status(), 503);
    /// assert_eq!(response.headers()["retry-after"], "5");
    /// ```
    pub fn unavailable(body: impl Into<Cow<'static, str>>) -> Self {
        Self::SERVICE_UNAVAILABLE
            .header(http::header::RETRY_AFTER, RETRY_AFTER)
            .body(body)
    }

    /// A refusal with this status, its standard reason as the body, and no further headers.
    ///
    /// A status below 400 is sent unchanged, although it looks like success.
    pub const fn new(status: StatusCode) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Cow::Borrowed(""),
        }
    }

    /// Sets the body, sent as `text/plain; charset=utf-8` unless a header sets another type.
    pub fn body(mut self, body: impl Into<Cow<'static, str>>) -> Self {
        self.body = body.into();
        self
    }

    /// Adds a header.
    ///
    /// ```
    /// use http::HeaderValue;
    /// use http::header::WWW_AUTHENTICATE;
    /// use ws_server::Refusal;
    ///
    /// let refusal = Refusal::UNAUTHORIZED
    ///     .header(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
    ///     .body("log on first");
    /// let response = refusal.into_response();
    /// assert_eq!(response.headers()["www-authenticate"], "Bearer");
    /// assert_eq!(response.body(), "log on first\n");
    /// ```
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The status.
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// The text of the body, or the reason of the status if no body was set.
    pub fn text(&self) -> &str {
        match (&*self.body, self.status.canonical_reason()) {
            ("", Some(reason)) => reason,
            (body, _) => body,
        }
    }

    /// The response for the client.
    pub fn into_response(self) -> Response<String> {
        let mut response = Response::new(format!("{}\n", self.text()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(
            http::header::CONTENT_TYPE,
            HeaderValue::from_static("text/plain; charset=utf-8"),
        );
        for (name, value) in self.headers {
            if name == http::header::CONTENT_TYPE {
                headers.insert(name, value);
            } else {
                headers.append(name, value);
            }
        }
        response
    }
}

impl From<StatusCode> for Refusal {
    fn from(status: StatusCode) -> Self {
        Self::new(status)
    }
}

impl From<std::convert::Infallible> for Refusal {
    fn from(never: std::convert::Infallible) -> Self {
        match never {}
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "refused with {}", self.status)
    }
}

impl std::error::Error for Refusal {}

/// Converts any error into a refusal or a close that reveals nothing about it to the client.
///
/// The error is logged in its alternate form, `{:#}`, in which the errors of this library and of
/// `anyhow` include their causes. Errors of this library omit causes that describe a client's data;
/// a wrapper such as `anyhow` does not know these causes, and includes them.
///
/// ```
/// use ws_server::error::{OrFault, Refusal};
///
/// let missing: Result<u8, _> = "x".parse::<u8>();
/// assert_eq!(missing.or_refuse(), Err(Refusal::INTERNAL_SERVER_ERROR));
/// ```
pub trait OrFault<T> {
    /// In `init`: the error becomes 500 and is logged at `error`.
    ///
    /// # Errors
    ///
    /// [`Refusal::INTERNAL_SERVER_ERROR`] for every error.
    fn or_refuse(self) -> Result<T, Refusal>;

    /// In the other hooks: the error becomes close code 1011 and is logged at `error`.
    ///
    /// ```
    /// use ws_server::prelude::*;
    ///
    /// fn message(text: String) -> Result<String, Close> {
    ///     let number: u32 = text.parse().or_close()?;
    ///     Ok((number + 1).to_string())
    /// }
    /// assert_eq!(message("7".to_owned()), Ok("8".to_owned()));
    /// assert_eq!(message("x".to_owned()), Err(Close::INTERNAL_ERROR));
    /// ```
    ///
    /// # Errors
    ///
    /// [`Close::internal`] for every error.
    fn or_close(self) -> Result<T, Close>;
}

impl<T, E: fmt::Display> OrFault<T> for Result<T, E> {
    fn or_refuse(self) -> Result<T, Refusal> {
        self.map_err(|error| {
            let error = format_args!("{error:#}");
            tracing::error!(hook = hook::current_name(), %error, "a hook failed");
            Refusal::INTERNAL_SERVER_ERROR
        })
    }

    fn or_close(self) -> Result<T, Close> {
        self.map_err(|error| {
            let error = format_args!("{error:#}");
            tracing::error!(hook = hook::current_name(), %error, "a hook failed");
            Close::internal()
        })
    }
}

/// Logs a panic of the application's code; the message is the application's own text.
pub(crate) fn log_panic(panic: &(dyn Any + Send)) {
    let text = panic
        .downcast_ref::<&'static str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("(no text)");
    tracing::error!(hook = hook::current_name(), panic = text, "a hook panicked");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_has_its_status_headers_and_body() {
        let response = Refusal::UNAUTHORIZED
            .header(
                http::header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer"),
            )
            .body("log on first")
            .into_response();
        assert_eq!(response.status(), 401);
        assert_eq!(response.headers()["www-authenticate"], "Bearer");
        assert_eq!(
            response.headers()["content-type"],
            "text/plain; charset=utf-8"
        );
        assert_eq!(response.body(), "log on first\n");
    }

    #[test]
    fn an_error_is_hidden_from_the_client() {
        let failed: Result<(), _> = Err("password=secret");
        let refusal = failed.or_refuse().unwrap_err();
        assert_eq!(refusal.into_response().body(), "Internal Server Error\n");
        assert_eq!(failed.or_close().unwrap_err(), Close::internal());
    }
}
