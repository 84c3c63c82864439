//! Whole messages, as handlers see them.

use std::sync::Arc;

use bytes::Bytes;
use bytestring::ByteString;

/// One whole text or binary message (RFC 6455, section 5.6).
///
/// Cloning is cheap: both kinds share their bytes.
///
/// ```
/// use ws_server::Message;
///
/// let hello = Message::text("hello");
/// assert_eq!(hello.as_text(), Some("hello"));
/// assert_eq!(hello.len(), 5);
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Message {
    /// A text message; its bytes are UTF-8.
    Text(ByteString),
    /// A binary message.
    Binary(Bytes),
}

impl Message {
    /// A text message.
    pub fn text(text: impl Into<ByteString>) -> Self {
        Self::Text(text.into())
    }

    /// A binary message.
    pub fn binary(bytes: impl Into<Bytes>) -> Self {
        Self::Binary(bytes.into())
    }

    /// Joins many chunks into one text message.
    ///
    /// ```
    /// use ws_server::Message;
    ///
    /// let name = String::from("Ada");
    /// assert_eq!(Message::concat(["Hello, ", &name, "!"]), Message::text("Hello, Ada!"));
    /// ```
    pub fn concat<C: AsRef<str>>(chunks: impl IntoIterator<Item = C>) -> Self {
        let mut whole = String::new();
        for chunk in chunks {
            whole.push_str(chunk.as_ref());
        }
        Self::text(whole)
    }

    /// Joins many chunks into one binary message.
    ///
    /// ```
    /// use ws_server::Message;
    ///
    /// assert_eq!(Message::concat_bytes([&b"ab"[..], b"c"]), Message::binary(&b"abc"[..]));
    /// ```
    pub fn concat_bytes<C: AsRef<[u8]>>(chunks: impl IntoIterator<Item = C>) -> Self {
        let mut whole = Vec::new();
        for chunk in chunks {
            whole.extend_from_slice(chunk.as_ref());
        }
        Self::binary(whole)
    }

    /// The text, if this is a text message.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Binary(_) => None,
        }
    }

    /// The payload of either kind.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }

    /// The payload of either kind, without a copy.
    pub fn into_bytes(self) -> Bytes {
        match self {
            Self::Text(text) => text.into_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }

    /// The size of the payload in bytes.
    pub fn len(&self) -> usize {
        self.as_bytes().len()
    }

    /// Whether the payload is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether this is a text message.
    pub const fn is_text(&self) -> bool {
        matches!(self, Self::Text(_))
    }
}

impl From<String> for Message {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

impl From<&'static str> for Message {
    fn from(text: &'static str) -> Self {
        Self::Text(ByteString::from_static(text))
    }
}

impl From<Box<str>> for Message {
    fn from(text: Box<str>) -> Self {
        Self::text(text)
    }
}

impl From<Arc<str>> for Message {
    fn from(text: Arc<str>) -> Self {
        Self::text(&*text)
    }
}

impl From<ByteString> for Message {
    fn from(text: ByteString) -> Self {
        Self::Text(text)
    }
}

impl From<Bytes> for Message {
    fn from(bytes: Bytes) -> Self {
        Self::Binary(bytes)
    }
}

impl From<Vec<u8>> for Message {
    fn from(bytes: Vec<u8>) -> Self {
        Self::binary(bytes)
    }
}
