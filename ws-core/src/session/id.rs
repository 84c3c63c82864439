//! The names of a session: the secret in the cookie, its hash, and a public id.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::SessionError;

/// Characters of a token in a cookie: the base64 of 32 bytes without padding.
const TOKEN_LEN: usize = 43;

/// Returns random bytes of the operating system, which cannot be guessed.
///
/// # Errors
///
/// [`SessionError::Random`] if the operating system provides none.
pub(super) fn random<const N: usize>() -> Result<[u8; N], SessionError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| SessionError::Random)?;
    Ok(bytes)
}

/// The public id of a session, for logs and as a key of maps and topics.
///
/// It is not the cookie and proves nothing. A logon gives the visitor another id, so an earlier
/// holder of the session has no access to what is stored under the new one.
///
/// ```
/// use ws_server::session::SessionId;
///
/// let id = SessionId::from_bytes([7; 16]);
/// assert_eq!(id.to_string(), "BwcHBwcHBwcHBwcHBwcHBw");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SessionId([u8; 16]);

impl SessionId {
    /// Creates the id with these bytes.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes of the id.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// Reads the text of an id.
    #[cfg(feature = "cluster")]
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let bytes = BASE64.decode(text).ok()?;
        bytes.try_into().ok().map(Self)
    }

    pub(super) fn new() -> Result<Self, SessionError> {
        random().map(Self)
    }

    /// The id after this number of logons, for a session with this secret.
    pub(super) fn after(self, renewals: u32, secret: &[u8; 32]) -> Self {
        if renewals == 0 {
            return self;
        }
        let hash = Sha256::new_with_prefix(b"session id\0").chain_update(secret);
        let hash: [u8; 32] = hash.chain_update(renewals.to_be_bytes()).finalize().into();
        let mut id = [0; 16];
        id.copy_from_slice(&hash[..16]);
        Self(id)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64.encode(self.0))
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionId({self})")
    }
}

/// The secret in a visitor's cookie: 256 random bits of the operating system.
///
/// Its holder is the visitor, so it belongs in the cookie and nowhere else: a store sees only its
/// [`SessionKey`], and `Debug` does not show it.
///
/// ```
/// use ws_server::session::SessionToken;
///
/// let token = SessionToken::new().unwrap();
/// let cookie = token.cookie_value();
/// assert_eq!(cookie.len(), 43);
/// let read = SessionToken::parse(cookie.as_bytes()).unwrap();
/// assert_eq!(read.key(), token.key());
/// assert!(SessionToken::parse(b"guessed").is_none());
/// ```
#[derive(Clone)]
pub struct SessionToken([u8; 32]);

impl SessionToken {
    /// Creates a new token.
    ///
    /// # Errors
    ///
    /// [`SessionError::Random`] if the operating system provides no random numbers.
    pub fn new() -> Result<Self, SessionError> {
        random().map(Self)
    }

    /// Parses the value of a cookie. Returns `None` if [`cookie_value`] cannot have written it.
    ///
    /// [`cookie_value`]: Self::cookie_value
    pub fn parse(value: &[u8]) -> Option<Self> {
        if value.len() != TOKEN_LEN {
            return None;
        }
        // Each token has exactly one text: the decoder rejects unused bits at the end that are not
        // zero.
        let bytes = BASE64.decode(value).ok()?;
        bytes.try_into().ok().map(Self)
    }

    /// The value for the cookie: 43 characters of the alphabet of RFC 4648, section 5.
    pub fn cookie_value(&self) -> String {
        BASE64.encode(self.0)
    }

    /// The key under which a store keeps the session.
    pub fn key(&self) -> SessionKey {
        SessionKey(Sha256::digest(self.0).into())
    }
}

impl fmt::Debug for SessionToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionToken(…)")
    }
}

/// The key of a session in a store: the SHA-256 of its token. A reader of the store learns no
/// cookie.
///
/// ```
/// use ws_server::session::SessionKey;
///
/// /// The name of a session's row in a database.
/// fn row(key: SessionKey) -> String {
///     key.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
/// }
/// # assert_eq!(row(ws_server::session::SessionToken::new().unwrap().key()).len(), 64);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionKey([u8; 32]);

impl SessionKey {
    /// The key of a session that the application knows under its own name.
    pub(super) fn of_foreign(name: &str) -> Self {
        let hash = Sha256::new_with_prefix(b"foreign session\0");
        Self(hash.chain_update(name).finalize().into())
    }

    /// The key of no session.
    pub(super) fn of_nobody() -> Self {
        Self([0; 32])
    }

    /// The key that another server has reported.
    #[cfg(feature = "cluster")]
    pub(super) const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes of the key, for use by a store.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_parsed_only_from_its_own_text() {
        let token = SessionToken::new().unwrap();
        let text = token.cookie_value();
        let parse = |text: &str| SessionToken::parse(text.as_bytes()).map(|token| token.0);
        assert_eq!(parse(&text), Some(token.0));
        for invalid in [
            "",
            &text[1..],
            &format!("{text}A"),
            &format!("{text}="),
            &format!("\"{text}\""),
            &format!(" {}", &text[1..]),
            &format!("{}+", &text[1..]),
            &format!("{}\0", &text[1..]),
        ] {
            assert_eq!(parse(invalid), None, "{invalid:?}");
        }
    }

    #[test]
    fn the_text_of_a_token_is_unique() {
        let text = SessionToken([0; 32]).cookie_value();
        assert_eq!(text, "A".repeat(43));
        // `B` differs from `A` only in bits that 32 bytes do not use.
        let other = format!("{}B", "A".repeat(42));
        assert!(SessionToken::parse(other.as_bytes()).is_none());
    }

    #[test]
    fn own_and_foreign_sessions_have_different_keys_for_the_same_text() {
        let token = SessionToken(*b"thirty-two bytes of a text here!");
        let foreign = SessionKey::of_foreign("thirty-two bytes of a text here!");
        assert_ne!(token.key(), foreign);
        assert_eq!(token.key(), SessionToken(token.0).key());
    }

    #[test]
    fn debug_output_hides_secrets() {
        let token = SessionToken([65; 32]);
        let shown = format!("{token:?} {:?}", token.key());
        assert_eq!(shown, "SessionToken(…) SessionKey(…)");
    }
}
