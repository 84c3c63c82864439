//! Seals positions, so that clients can keep them and return them.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use super::codec::{Input, Malformed};
use super::name::TopicName;
use super::position::Position;

/// The version of the sealed form.
const VERSION: u8 = 1;
/// Bytes of the seal, which proves that this server made it.
const SEAL_BYTES: usize = 16;
/// Bytes of the hash of the topic's name.
const TOPIC_BYTES: usize = 8;
/// Characters of the longest sealed text that is read.
pub(crate) const MAX_TEXT: usize = 128;

/// Separates the key of positions from others that may be derived from the same secret.
const LABEL: &[u8] = b"ws-server position of a topic";

/// Seals and opens positions. A position is bound to its topic.
#[derive(Clone)]
pub(crate) struct Sealer {
    key: Hmac<Sha256>,
}

impl Sealer {
    pub(crate) fn new(secret: &[u8; 32]) -> Self {
        let mut derive = hmac(secret);
        derive.update(LABEL);
        Self {
            key: hmac(&derive.finalize().into_bytes()),
        }
    }

    fn mac(&self, sealed: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.key.clone();
        mac.update(sealed);
        mac
    }

    /// Seals the position of a message of a topic.
    pub(crate) fn seal(&self, position: &Position, topic: &TopicName) -> String {
        let mut bytes = Vec::with_capacity(64);
        bytes.push(VERSION);
        bytes.extend_from_slice(&hash(topic));
        position.put(&mut bytes);
        let seal = self.mac(&bytes).finalize().into_bytes();
        bytes.extend_from_slice(&seal[..SEAL_BYTES]);
        BASE64.encode(bytes)
    }

    /// Opens a sealed position of a topic.
    ///
    /// # Errors
    ///
    /// [`SealError`] if this server has not sealed it for this topic.
    pub(crate) fn open(&self, text: &str, topic: &TopicName) -> Result<Position, SealError> {
        if text.len() > MAX_TEXT {
            return Err(SealError::Invalid);
        }
        let bytes = BASE64.decode(text).map_err(|_| SealError::Invalid)?;
        let len = bytes.len().checked_sub(SEAL_BYTES);
        let (sealed, seal) = bytes.split_at(len.ok_or(SealError::Invalid)?);
        let mac = self.mac(sealed);
        mac.verify_truncated_left(seal)
            .map_err(|_| SealError::Invalid)?;
        let mut input = Input::new(Bytes::copy_from_slice(sealed));
        let version = input.byte()?;
        if version != VERSION {
            return Err(SealError::Invalid);
        }
        let of: [u8; TOPIC_BYTES] = input.array()?;
        if of != hash(topic) {
            return Err(SealError::OfAnotherTopic);
        }
        let position = Position::get(&mut input)?;
        if !input.is_empty() {
            return Err(SealError::Invalid);
        }
        Ok(position)
    }
}

fn hmac(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes a key of any length")
}

fn hash(topic: &TopicName) -> [u8; TOPIC_BYTES] {
    let mut hash = [0; TOPIC_BYTES];
    hash.copy_from_slice(&Sha256::digest(topic.as_str())[..TOPIC_BYTES]);
    hash
}

/// Shows no secret.
impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer(…)")
    }
}

/// Why a sealed text is no position of a topic.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum SealError {
    /// Malformed, changed, too long, or sealed with another secret.
    Invalid,
    OfAnotherTopic,
}

impl From<Malformed> for SealError {
    fn from(_: Malformed) -> Self {
        Self::Invalid
    }
}

#[cfg(test)]
mod tests;
