//! Bodies that can be invalid without closing the connection.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

/// The body of a [`Call`](super::Call) that is answered even if it does not decode.
///
/// If the envelope is valid, the call decodes, whatever its body contains. An error in the body
/// becomes an answer like any other error:
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use ws_server::call::{Answer, BodyError, Call, Checked};
/// use ws_server::decode::Json;
///
/// # #[derive(Deserialize)]
/// # struct Rename { name: String }
/// # #[derive(Serialize)]
/// # struct Renamed { name: String }
/// #[derive(Serialize)]
/// #[serde(tag = "type", rename_all = "snake_case")]
/// enum RenameError {
///     Taken,
///     Malformed { detail: BodyError },
/// }
///
/// impl From<BodyError> for RenameError {
///     fn from(detail: BodyError) -> Self {
///         Self::Malformed { detail }
///     }
/// }
///
/// # struct Profile;
/// # impl Profile {
/// fn message(&mut self, Json(call): Json<Call<Checked<Rename>>>) -> Answer<Renamed, RenameError> {
///     let (id, Checked(body)) = call.split();
///     id.answer(body.map_err(RenameError::from).and_then(|rename| self.rename(rename)))
/// }
/// # fn rename(&mut self, rename: Rename) -> Result<Renamed, RenameError> {
/// #     if rename.name == "root" { return Err(RenameError::Taken) }
/// #     Ok(Renamed { name: rename.name })
/// # }
/// # }
/// # let call = serde_json::from_str(r#"{"call":7,"body":{}}"#).unwrap();
/// # let answer = serde_json::to_string(&Profile.message(Json(call))).unwrap();
/// # assert_eq!(
/// #     answer,
/// #     r#"{"answer":7,"error":{"type":"malformed","detail":"missing field `name`"}}"#,
/// # );
/// ```
///
/// The body is buffered before it is decoded, like the content of an untagged enum. Types that
/// serde cannot buffer, such as 128-bit integers, do not decode in it. A call without `body`, or a
/// message that is not JSON, still closes the connection with 1007.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Checked<T>(pub Result<T, BodyError>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Checked<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Buffered::Only(Attempt(result)) = Buffered::deserialize(deserializer)?;
        Ok(Self(result))
    }
}

/// Makes serde buffer the value before it decodes it. Without the buffer, an error would leave the
/// parser in the middle of the value, and the rest of the envelope could not be read.
///
/// It also works if the call itself is buffered already, in an untagged enum, where raw JSON is not
/// available. And unlike `serde_json::Value` it keeps the order of members.
#[derive(Deserialize)]
#[serde(untagged)]
enum Buffered<T> {
    Only(Attempt<T>),
}

/// Decodes a value; stores an error instead of failing.
struct Attempt<T>(Result<T, BodyError>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Attempt<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(T::deserialize(deserializer).map_err(BodyError::new)))
    }
}

/// The maximum length of the detail in characters: it quotes the client's message, which may be
/// long.
const MAX_DETAIL_LEN: usize = 200;

/// Why a body did not decode.
///
/// [`detail`](Self::detail) is meant for the client, and `Serialize` writes it, so that an error of
/// the application can contain this one as a field. The detail may quote the client's message:
/// `Display` and `Debug`, which are used in logs, omit it.
///
/// ```
/// use ws_server::call::{Call, Checked};
///
/// let call: Call<Checked<u8>> = serde_json::from_str(r#"{"call":7,"body":"no"}"#).unwrap();
/// let error = call.body.0.unwrap_err();
/// assert_eq!(error.detail(), r#"invalid type: string "no", expected u8"#);
/// assert_eq!(error.to_string(), "the body of the call could not be decoded");
/// ```
#[derive(Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(transparent)]
#[error("the body of the call could not be decoded")]
pub struct BodyError {
    detail: String,
}

impl BodyError {
    fn new(error: impl fmt::Display) -> Self {
        let mut detail = error.to_string();
        if let Some((end, _)) = detail.char_indices().nth(MAX_DETAIL_LEN) {
            detail.truncate(end);
            detail.push('…');
        }
        Self { detail }
    }

    /// The text of the decoder's error, truncated to 200 characters.
    ///
    /// It names members of the expected type and may quote the message: keep it out of logs.
    pub fn detail(&self) -> &str {
        &self.detail
    }
}

impl fmt::Debug for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BodyError").finish_non_exhaustive()
    }
}
