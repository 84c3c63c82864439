//! Wrappers for the errors of encoders, decoders and other libraries.

use std::error::Error;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use http::StatusCode;

use crate::close::CloseCode;

/// The error of an encoder, a decoder or another library, stored unchanged.
///
/// It dereferences to the error, so `downcast_ref` works on its type. The error that contains it
/// returns the same value from [`source`](Error::source). Clones share the error; two causes are
/// equal if their texts are equal.
///
/// ```
/// use ws_server::error::Cause;
///
/// let cause = Cause::new("x".parse::<u8>().unwrap_err());
/// assert_eq!(cause.to_string(), "invalid digit found in string");
/// assert!(cause.is::<std::num::ParseIntError>());
/// assert!(Cause::new("only a text").source().is_none());
/// # use std::error::Error;
/// ```
#[derive(Clone)]
pub struct Cause(Arc<dyn Error + Send + Sync>);

impl Cause {
    /// Stores an error. A string becomes an error with that text.
    pub fn new(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(Arc::from(error.into()))
    }
}

impl Deref for Cause {
    type Target = dyn Error + Send + Sync;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

impl PartialEq for Cause {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_string() == other.0.to_string()
    }
}

impl Eq for Cause {}

impl fmt::Debug for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&*self.0, f)
    }
}

/// A value could not be encoded as a message; the source is the encoder's error.
///
/// ```
/// use ws_server::error::EncodeError;
/// use ws_server::Message;
/// use ws_server::socket::IntoMessage;
///
/// /// A value as CBOR, in a binary message.
/// struct Cbor<T>(T);
///
/// impl<T: serde::Serialize> IntoMessage for Cbor<T> {
///     type Value = T;
///
///     fn into_message(self) -> Result<Message, EncodeError> {
///         let mut bytes = Vec::new();
///         ciborium::into_writer(&self.0, &mut bytes).map_err(EncodeError::new)?;
///         Ok(Message::binary(bytes))
///     }
/// }
/// # assert_eq!(Cbor(7).into_message(), Ok(Message::binary(vec![7])));
/// ```
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub struct EncodeError {
    #[source]
    cause: Cause,
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        with_causes("the value cannot be encoded", &*self.cause, f)
    }
}

impl EncodeError {
    /// Wraps the error of an encoder, or a text.
    pub fn new(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let cause = Cause::new(cause);
        Self { cause }
    }

    /// The status if this error happens while a response is made: 500.
    pub const fn status(&self) -> StatusCode {
        StatusCode::INTERNAL_SERVER_ERROR
    }

    /// The close code if the connection cannot continue without the message: 1011.
    pub const fn close_code(&self) -> CloseCode {
        CloseCode::INTERNAL_ERROR
    }
}

/// Writes the text of an error and, in the alternate form `{:#}`, its causes after it.
pub(crate) fn with_causes(
    text: &str,
    cause: &(dyn Error + 'static),
    f: &mut fmt::Formatter<'_>,
) -> fmt::Result {
    f.write_str(text)?;
    let mut next = f.alternate().then_some(cause);
    while let Some(cause) = next {
        write!(f, ": {cause}")?;
        next = cause.source();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] std::num::ParseIntError);

    fn outer() -> Outer {
        Outer("x".parse::<u8>().unwrap_err())
    }

    #[test]
    fn the_source_keeps_its_type_and_causes() {
        let error = EncodeError::new(outer());
        let source = error.source().unwrap();
        assert!(source.is::<Outer>());
        assert!(source.source().unwrap().is::<std::num::ParseIntError>());
    }

    #[test]
    fn the_alternate_form_lists_every_cause_once() {
        let error = EncodeError::new(outer());
        assert_eq!(error.to_string(), "the value cannot be encoded");
        assert_eq!(
            format!("{error:#}"),
            "the value cannot be encoded: outer: invalid digit found in string"
        );
    }

    #[test]
    fn causes_are_equal_if_their_texts_are() {
        assert_eq!(EncodeError::new("a"), EncodeError::new("a".to_owned()));
        assert_ne!(EncodeError::new("a"), EncodeError::new("b"));
    }
}
