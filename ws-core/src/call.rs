//! Requests of a client and their answers, each one text message of JSON.
//!
//! ```text
//! {"call":7,"body":{"type":"rename","name":"Ada"}}      the request
//! {"answer":7,"ok":{"name":"Ada"}}                      its answer
//! {"answer":7,"error":{"type":"taken"}}                 or this
//! ```
//!
//! A hook takes [`Call<T>`] and returns [`Answer<R, E>`]. If a [`Checked`] body does not decode,
//! the call is answered; any other body closes the connection.

mod body;
mod envelope;
#[cfg(test)]
mod tests;

use std::fmt;

use serde::Serialize;

pub use self::body::{BodyError, Checked};
use crate::decode::Json;
use crate::error::EncodeError;
use crate::message::Message;
use crate::reply::{IntoReply, Reply};
use crate::socket::IntoMessage;
use crate::wire::LARGEST_NUMBER;

/// The id of a call: a number that the caller has not used before on this connection.
///
/// It is an integer from 0 to 2^53 - 1, which every JSON parser reads exactly; any other value does
/// not decode. The caller chooses the number, so it has no meaning for the server and proves
/// nothing.
///
/// ```
/// use ws_server::call::CallId;
///
/// let id = CallId::new(7).unwrap();
/// assert_eq!((id.get(), id.to_string()), (7, "7".to_owned()));
/// assert_eq!(CallId::new(1 << 53), None);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct CallId(u64);

impl CallId {
    /// The largest id: 2^53 - 1.
    pub const MAX: Self = Self(LARGEST_NUMBER);

    /// The id with this number, if it is at most 2^53 - 1.
    pub const fn new(number: u64) -> Option<Self> {
        if number > Self::MAX.0 {
            return None;
        }
        Some(Self(number))
    }

    /// The number of this id.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The answer to the call with this id.
    ///
    /// ```
    /// use ws_server::call::{Answer, Call};
    ///
    /// fn message(call: Call<String>) -> Answer<usize, &'static str> {
    ///     let (id, body) = call.split();
    ///     id.answer(if body.is_empty() { Err("empty") } else { Ok(body.len()) })
    /// }
    /// # let call = Call { id: ws_server::call::CallId::MAX, body: "four".to_owned() };
    /// # assert_eq!(message(call).result, Ok(4));
    /// ```
    pub const fn answer<R, E>(self, result: Result<R, E>) -> Answer<R, E> {
        Answer { id: self, result }
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A request of the client: `{"call":7,"body":…}`.
///
/// `message` takes it as `Json<Call<T>>` and answers it, at once or later:
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use ws_server::call::{Answer, Call};
/// use ws_server::decode::Json;
///
/// #[derive(Deserialize)]
/// struct Rename { name: String }
///
/// #[derive(Serialize)]
/// struct Renamed { name: String }
///
/// #[derive(Serialize)]
/// #[serde(tag = "type", rename_all = "snake_case")]
/// enum RenameError { Taken }
///
/// # struct Profile;
/// # impl Profile {
/// fn message(&mut self, Json(call): Json<Call<Rename>>) -> Answer<Renamed, RenameError> {
///     call.answer(self.rename(&call.body))
/// }
/// # fn rename(&mut self, rename: &Rename) -> Result<Renamed, RenameError> {
/// #     if rename.name == "root" { return Err(RenameError::Taken) }
/// #     Ok(Renamed { name: rename.name.clone() })
/// # }
/// # }
/// # let ask = |text| {
/// #     let answer = Profile.message(Json(serde_json::from_str(text).unwrap()));
/// #     serde_json::to_string(&answer).unwrap()
/// # };
/// # let ok = ask(r#"{"call":7,"body":{"name":"Ada"}}"#);
/// # assert_eq!(ok, r#"{"answer":7,"ok":{"name":"Ada"}}"#);
/// # let error = ask(r#"{"call":8,"body":{"name":"root"}}"#);
/// # assert_eq!(error, r#"{"answer":8,"error":{"type":"taken"}}"#);
/// ```
///
/// If a route takes other messages besides calls, an untagged enum distinguishes them:
///
/// ```
/// # use serde::Deserialize;
/// # use ws_server::call::{Call, Checked};
/// # #[derive(Deserialize)]
/// # struct Rename { name: String }
/// #[derive(Deserialize)]
/// #[serde(untagged)]
/// enum Incoming {
///     Call(Call<Checked<Rename>>),
///     Say { text: String },
/// }
/// # let say = serde_json::from_str(r#"{"text":"hello"}"#).unwrap();
/// # assert!(matches!(say, Incoming::Say { text } if text == "hello"));
/// # let call = serde_json::from_str(r#"{"call":1,"body":{}}"#).unwrap();
/// # let Incoming::Call(Call { body: Checked(Err(_)), .. }) = call else { panic!() };
/// ```
///
/// Members other than `call` and `body` are ignored. A call that does not decode closes the
/// connection with 1007, as any [`Json`] does; with [`Checked`], the handler can answer it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Call<T> {
    /// The id, which the answer repeats.
    pub id: CallId,
    /// The body of the request.
    pub body: T,
}

impl<T> Call<T> {
    /// The answer to this call.
    pub const fn answer<R, E>(&self, result: Result<R, E>) -> Answer<R, E> {
        self.id.answer(result)
    }

    /// Returns the id and the body, for an answer that consumes the body.
    pub fn split(self) -> (CallId, T) {
        (self.id, self.body)
    }
}

/// The answer to a [`Call`]: `{"answer":7,"ok":…}` or `{"answer":7,"error":…}`.
///
/// A hook returns it, also within `Option`, `Vec` and the other replies; outside a hook,
/// `socket.send(answer)` sends it. If `R` is `()`, the answer has `"ok":null`.
///
/// ```
/// use ws_server::call::{Answer, CallId};
///
/// let id = CallId::new(7).unwrap();
/// let done: Answer<(), String> = id.answer(Ok(()));
/// let text = serde_json::to_string(&done).unwrap();
/// assert_eq!(text, r#"{"answer":7,"ok":null}"#);
/// assert_eq!(serde_json::from_str::<Answer<(), String>>(&text).unwrap(), done);
/// ```
///
/// In a test, the test kit sends the calls:
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use ws_server::call::{Answer, Call};
/// use ws_server::prelude::*;
/// use ws_server::testkit::TestKit;
///
/// #[derive(PartialEq, Debug, Serialize, Deserialize)]
/// enum Refused { DivisionByZero }
///
/// /// Divides 100.
/// struct Divider;
///
/// #[ws_handler]
/// impl Divider {
///     fn init() -> Self {
///         Divider
///     }
///
///     fn message(&mut self, Json(call): Json<Call<u32>>) -> Answer<u32, Refused> {
///         match 100_u32.checked_div(call.body) {
///             Some(quotient) => Answer::ok(call.id, quotient),
///             None => Answer::error(call.id, Refused::DivisionByZero),
///         }
///     }
/// }
///
/// dispatch! {
///     struct Routes;
///
///     divider: "/divider" => Divider { attach: page };
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(async {
/// let kit = TestKit::table(Routes::table(), ws_server::extract::NoState).unwrap();
/// let ada = kit.user("ada").await;
/// let mut page = kit.page("/divider").visitor(&ada).connect().await.unwrap();
/// assert_eq!(page.request::<u32>(&4).await, 25);
/// let refused = page.try_request::<u32, Refused>(&0).await;
/// assert_eq!(refused, Err(Refused::DivisionByZero));
/// # });
/// ```
#[must_use = "an answer that is not sent leaves the client waiting"]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Answer<R, E> {
    /// The id of the call.
    pub id: CallId,
    /// The result of the call.
    pub result: Result<R, E>,
}

impl<R, E> Answer<R, E> {
    /// The answer to a call that succeeded.
    pub const fn ok(id: CallId, value: R) -> Self {
        id.answer(Ok(value))
    }

    /// The answer to a call that failed.
    pub const fn error(id: CallId, error: E) -> Self {
        id.answer(Err(error))
    }
}

impl<R: Serialize, E: Serialize> IntoReply for Answer<R, E> {
    type Value = Self;

    fn into_reply(self) -> Reply {
        Json(self).into_reply()
    }
}

impl<R: Serialize, E: Serialize> IntoMessage for Answer<R, E> {
    type Value = Self;

    fn into_message(self) -> Result<Message, EncodeError> {
        Json(self).into_message()
    }
}
