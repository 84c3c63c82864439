//! Refusals of a handshake, and the way from any error to one.

use std::any::Any;
use std::borrow::Cow;
use std::fmt;

use http::{HeaderName, HeaderValue, Response, StatusCode};

use crate::close::Close;
use crate::hook;

mod cause;
mod refused;

pub(crate) use cause::with_causes;
pub use cause::{Cause, EncodeError};
pub use refused::{NotifyError, SendError, SpawnError};

/// A handshake that is not accepted: the HTTP response that the client gets instead
/// of 101 (RFC 6455, section 4.2.2).
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

/// Names a refusal for every status that handlers commonly need.
macro_rules! refusals {
    ($( $(#[$doc:meta])* $name:ident; )*) => {
        impl Refusal {
            $( $(#[$doc])* pub const $name: Self = Self::new(StatusCode::$name); )*
        }
    };
}

refusals! {
    /// 400: the request makes no sense.
    BAD_REQUEST;
    /// 401: the client must say who it is.
    UNAUTHORIZED;
    /// 403: the client may not.
    FORBIDDEN;
    /// 404: there is nothing here.
    NOT_FOUND;
    /// 409: not in the present state.
    CONFLICT;
    /// 410: there is nothing here any more.
    GONE;
    /// 429: too many requests or connections of this client.
    TOO_MANY_REQUESTS;
    /// 500: a fault of the server.
    INTERNAL_SERVER_ERROR;
    /// 503: try again later.
    SERVICE_UNAVAILABLE;
}

/// Seconds after which a client may try again where there is no room, or no answer.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("5");

impl Refusal {
    /// 503 with this body, and the time after which trying again makes sense.
    pub fn unavailable(body: impl Into<Cow<'static, str>>) -> Self {
        Self::SERVICE_UNAVAILABLE
            .header(http::header::RETRY_AFTER, RETRY_AFTER)
            .body(body)
    }

    /// A refusal with this status, the status's own words as body, and no further headers.
    ///
    /// A status below 400 would look like success; it is sent as it is.
    pub const fn new(status: StatusCode) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Cow::Borrowed(""),
        }
    }

    /// Sets the body, sent as `text/plain; charset=utf-8` unless a header says otherwise.
    pub fn body(mut self, body: impl Into<Cow<'static, str>>) -> Self {
        self.body = body.into();
        self
    }

    /// Adds a header.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// The status.
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// The text of the body: what was set, else the status in words.
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

/// Turns any error into a refusal or a close that shows nothing of it to the client.
///
/// The log gets the error in its alternate form, `{:#}`: the errors of this library and of `anyhow`
/// add their causes in it. Errors of this library leave out causes that describe a client's data; a
/// wrapper such as `anyhow` cannot know them, and writes them.
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
    /// # Errors
    ///
    /// [`Close::internal`] for every error.
    fn or_close(self) -> Result<T, Close>;
}

impl<T, E: fmt::Display> OrFault<T> for Result<T, E> {
    fn or_refuse(self) -> Result<T, Refusal> {
        self.map_err(|error| {
            let error = format_args!("{error:#}");
            tracing::error!(hook = hook::name(), %error, "a hook failed");
            Refusal::INTERNAL_SERVER_ERROR
        })
    }

    fn or_close(self) -> Result<T, Close> {
        self.map_err(|error| {
            let error = format_args!("{error:#}");
            tracing::error!(hook = hook::name(), %error, "a hook failed");
            Close::internal()
        })
    }
}

/// Logs a panic of the application's code; its message is the application's own text.
pub(crate) fn log_panic(panic: &(dyn Any + Send)) {
    let text = panic
        .downcast_ref::<&'static str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("(no text)");
    tracing::error!(hook = hook::name(), panic = text, "a hook panicked");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_carries_status_headers_and_body() {
        let response = Refusal::UNAUTHORIZED
            .header(
                http::header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer"),
            )
            .body("who are you?")
            .into_response();
        assert_eq!(response.status(), 401);
        assert_eq!(response.headers()["www-authenticate"], "Bearer");
        assert_eq!(
            response.headers()["content-type"],
            "text/plain; charset=utf-8"
        );
        assert_eq!(response.body(), "who are you?\n");
    }

    #[test]
    fn an_error_is_not_shown_to_the_client() {
        let failed: Result<(), _> = Err("password=secret");
        let refusal = failed.or_refuse().unwrap_err();
        assert_eq!(refusal.into_response().body(), "Internal Server Error\n");
        assert_eq!(failed.or_close().unwrap_err(), Close::internal());
    }
}
