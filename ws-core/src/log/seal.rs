//! Seals positions, so that clients can keep them and return them.

use std::fmt;

use sha2::{Digest, Sha256};

use super::codec::{Input, Malformed};
use super::name::TopicName;
use super::position::Position;
use super::secret::{SealKeys, Secrets};

/// The version of the sealed form.
const VERSION: u8 = 1;
/// Bytes of the hash of the topic's name.
const TOPIC_BYTES: usize = 8;
/// Characters of the longest sealed text that is read.
pub(crate) const MAX_TEXT: usize = 128;

/// Separates the key of positions from others that may be derived from the same secret.
const LABEL: &[u8] = b"ws-server position of a topic";

/// Seals and opens positions. A position is bound to its topic.
#[derive(Clone)]
pub(crate) struct Sealer {
    keys: SealKeys,
}

impl Sealer {
    pub(crate) fn new(secrets: &Secrets) -> Self {
        Self {
            keys: secrets.keys(LABEL),
        }
    }

    /// Seals the position of a message of a topic.
    pub(crate) fn seal(&self, position: &Position, topic: &TopicName) -> String {
        let mut bytes = Vec::with_capacity(64);
        bytes.push(VERSION);
        bytes.extend_from_slice(&hash(topic));
        position.put(&mut bytes);
        self.keys.seal(bytes)
    }

    /// Opens a sealed position of a topic.
    ///
    /// # Errors
    ///
    /// [`SealError`] if this server has not sealed it for this topic.
    pub(crate) fn open(&self, text: &str, topic: &TopicName) -> Result<Position, SealError> {
        let sealed = self.keys.open(text, MAX_TEXT);
        let sealed = sealed.map_err(|_| SealError::Invalid)?;
        let mut input = Input::new(sealed.into());
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

/// Why a sealed text is not a position of a topic.
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
