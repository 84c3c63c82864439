//! The tokens of streams, as clients keep them, and their addresses, as the log has them.

use sha2::{Digest, Sha256};

use crate::hub::Hub;
use crate::log::SealKeys;
use crate::log::shared::Incarnation;

/// Separates the key of tokens from others that are derived from the same secret.
const LABEL: &[u8] = b"ws-server attachment of a page stream";

/// The version of the sealed form.
const VERSION: u8 = 1;
/// Bytes of the random part, which makes the token a secret.
const RANDOM_BYTES: usize = 16;
/// Bytes of the owner's digest in the token.
const OWNER_BYTES: usize = 16;
/// Bytes of the whole, without the seal.
const TOKEN_BYTES: usize = 1 + 8 + RANDOM_BYTES + OWNER_BYTES;
/// Characters of the longest token that is read.
const MAX_TOKEN: usize = 128;

/// The page, the session and the route to which a stream belongs: a digest of all three.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct StreamOwner([u8; 32]);

impl StreamOwner {
    /// The digest of these parts. Their lengths are a part of it, so different parts have different digests.
    pub(crate) fn of(page: &str, session: &[u8; 16], route: &str) -> Self {
        Self(digest([page.as_bytes(), session, route.as_bytes()]))
    }
}

/// Identifies a stream in the log. It is a digest of the token and the owner: a reader of the log cannot
/// send a POST to the stream, and a POST of another owner has another address.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct StreamAddress([u8; 32]);

impl StreamAddress {
    pub(super) const BYTES: usize = 32;

    pub(super) fn of(token: &str, owner: StreamOwner) -> Self {
        Self(digest([token.as_bytes(), &owner.0, b"address"]))
    }

    pub(super) const fn as_bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }

    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// A number that differs between streams.
    pub(super) fn hash(&self) -> u64 {
        let (first, _) = self.0.split_first_chunk().unwrap_or((&[0; 8], &[]));
        u64::from_be_bytes(*first)
    }
}

fn digest(parts: [&[u8]; 3]) -> [u8; 32] {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    digest.finalize().into()
}

impl Hub {
    fn token_keys(&self) -> SealKeys {
        self.topics().secrets().keys(LABEL)
    }

    /// A new token for a stream of this server; `None` if it shares no log. The token names the server,
    /// so that another one can pass a POST on to it.
    pub(crate) fn new_stream_token(&self, owner: StreamOwner) -> Option<String> {
        let node = self.topics().shared()?.node().incarnation();
        Some(seal(&self.token_keys(), node, owner))
    }

    /// The server of a stream, if one that shares the log has made the token for this owner.
    pub(super) fn home_of(&self, token: &str, owner: StreamOwner) -> Option<Incarnation> {
        open(&self.token_keys(), token, owner)
    }
}

fn seal(keys: &SealKeys, node: Incarnation, owner: StreamOwner) -> String {
    let mut bytes = Vec::with_capacity(64);
    bytes.push(VERSION);
    bytes.extend_from_slice(&node.0.to_be_bytes());
    bytes.extend_from_slice(&crate::log::random_number().to_be_bytes());
    bytes.extend_from_slice(&crate::log::random_number().to_be_bytes());
    bytes.extend_from_slice(&owner.0[..OWNER_BYTES]);
    keys.seal(bytes)
}

fn open(keys: &SealKeys, token: &str, owner: StreamOwner) -> Option<Incarnation> {
    let bytes: [u8; TOKEN_BYTES] = keys.open(token, MAX_TOKEN).ok()?.try_into().ok()?;
    let (version, bytes) = bytes.split_first()?;
    let (node, bytes) = bytes.split_first_chunk()?;
    let is_of_owner = bytes[RANDOM_BYTES..] == owner.0[..OWNER_BYTES];
    (*version == VERSION && is_of_owner).then(|| Incarnation(u64::from_be_bytes(*node)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::Secrets;

    fn keys(secret: u8) -> SealKeys {
        Secrets::new([[secret; 32]]).unwrap().keys(LABEL)
    }

    fn owner(page: &str, session: u8, route: &str) -> StreamOwner {
        StreamOwner::of(page, &[session; 16], route)
    }

    #[test]
    fn a_token_is_of_one_owner_and_of_one_secret() {
        let own = owner("P", 1, "/stream");
        let token = seal(&keys(1), Incarnation(7), own);
        assert_eq!(open(&keys(1), &token, own), Some(Incarnation(7)));
        assert_eq!(open(&keys(2), &token, own), None);
        for other in [
            owner("Q", 1, "/stream"),
            owner("P", 2, "/stream"),
            owner("P", 1, "/other"),
        ] {
            assert_eq!(open(&keys(1), &token, other), None);
            let address = StreamAddress::of(&token, own);
            assert_ne!(StreamAddress::of(&token, other), address);
        }
        assert_ne!(seal(&keys(1), Incarnation(7), own), token);
        for malformed in ["", "A", &token[1..], &token.repeat(2)] {
            assert_eq!(open(&keys(1), malformed, own), None, "{malformed}");
        }
    }

    #[test]
    fn parts_of_an_owner_are_not_mixed_up() {
        assert_ne!(owner("ab", 1, "c"), owner("a", 1, "bc"));
    }

    #[test]
    fn a_token_fits_into_what_is_read() {
        let token = seal(&keys(1), Incarnation(7), owner("P", 1, "/"));
        assert_eq!(token.len(), 76);
    }
}
