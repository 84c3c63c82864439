//! The secrets of a server, and the keys that are derived from them.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use super::random;

/// Bytes of a seal, which proves that the server made it.
const SEAL_BYTES: usize = 16;

/// The secrets with which a server seals what clients keep: positions, the bases of cursors, and
/// the ids of pages without a session. The first one seals, all of them open; each purpose has a
/// key of its own, derived from them.
///
/// ```
/// use ws_server::Hub;
/// use ws_server::limits::ServerLimits;
/// use ws_server::session::{Secrets, Sessions};
///
/// let secrets = Secrets::new(["the secret of this week, 32 bytes", "that of the week before, 32 bytes"]);
/// let hub = Hub::with_secrets(ServerLimits::DEFAULT, Sessions::default(), secrets.unwrap());
/// assert_eq!(hub.connection_count(), 0);
/// assert!(Secrets::new(["too short"]).is_none());
/// ```
#[derive(Clone)]
pub struct Secrets(Vec<[u8; 32]>);

impl Secrets {
    /// The fewest bytes of a secret.
    pub const MIN_BYTES: usize = 32;

    /// Creates secrets from these bytes, which must be random. Returns `None` if there is none, or
    /// if one has fewer than 32 bytes.
    pub fn new<S: AsRef<[u8]>>(secrets: impl IntoIterator<Item = S>) -> Option<Self> {
        let hash = |secret: S| {
            let secret = secret.as_ref();
            (secret.len() >= Self::MIN_BYTES).then(|| Sha256::digest(secret).into())
        };
        let all: Vec<_> = secrets.into_iter().map(hash).collect::<Option<_>>()?;
        Some(Self(all)).filter(|Self(all)| !all.is_empty())
    }

    /// A secret that no other server has.
    pub(crate) fn random() -> Self {
        Self(vec![random::bytes()])
    }

    /// The keys for one purpose.
    pub(crate) fn keys(&self, purpose: &[u8]) -> SealKeys {
        let derive = |secret: &[u8; 32]| {
            let mut derive = hmac(secret);
            derive.update(purpose);
            hmac(&derive.finalize().into_bytes())
        };
        SealKeys(self.0.iter().map(derive).collect())
    }
}

/// One random secret, which no other server has.
impl Default for Secrets {
    fn default() -> Self {
        Self::random()
    }
}

/// Shows no secret.
impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets(…)")
    }
}

/// The keys for one purpose, the newest first.
#[derive(Clone)]
pub(crate) struct SealKeys(Box<[Hmac<Sha256>]>);

/// Why a sealed text cannot be opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Unsealed {
    /// It is no sealed text at all.
    Malformed,
    /// It was changed, or sealed with another secret: perhaps by an earlier process.
    Foreign,
}

impl SealKeys {
    /// Seals bytes, as text.
    pub(crate) fn seal(&self, mut bytes: Vec<u8>) -> String {
        let seal = mac(&self.0[0], &bytes).finalize().into_bytes();
        bytes.extend_from_slice(&seal[..SEAL_BYTES]);
        BASE64.encode(bytes)
    }

    /// A mark of these bytes under each key. Equal bytes have equal marks, and nobody without a secret
    /// can compute one, or guess the bytes from it.
    #[cfg(feature = "cluster")]
    pub(crate) fn marks(&self, bytes: &[u8]) -> Vec<String> {
        let mark = |key| BASE64.encode(&mac(key, bytes).finalize().into_bytes()[..SEAL_BYTES]);
        self.0.iter().map(mark).collect()
    }

    /// Opens a text of at most `max` characters.
    pub(crate) fn open(&self, text: &str, max: usize) -> Result<Vec<u8>, Unsealed> {
        let bytes = Some(text).filter(|text| text.len() <= max);
        let bytes = bytes.and_then(|text| BASE64.decode(text).ok());
        let mut bytes = bytes.ok_or(Unsealed::Malformed)?;
        let len = bytes.len().checked_sub(SEAL_BYTES);
        let (sealed, seal) = bytes.split_at(len.ok_or(Unsealed::Malformed)?);
        let is_ours = |key| mac(key, sealed).verify_truncated_left(seal).is_ok();
        if !self.0.iter().any(is_ours) {
            return Err(Unsealed::Foreign);
        }
        bytes.truncate(bytes.len() - SEAL_BYTES);
        Ok(bytes)
    }
}

/// The seals of the entries of a log that several servers share: a program that can write to the
/// server of the log, but has no secret, cannot add entries.
#[cfg(feature = "cluster")]
#[derive(Clone, Debug)]
pub struct EntrySeals(SealKeys);

#[cfg(feature = "cluster")]
impl EntrySeals {
    /// The seals that all servers with these secrets make and accept.
    pub fn new(secrets: &Secrets) -> Self {
        Self(secrets.keys(b"entries of a shared log"))
    }

    /// The seal of an entry. It is not valid in another place. All places have the same length.
    pub fn seal(&self, place: &[u8], entry: &[u8]) -> Vec<u8> {
        let mac = mac(&self.0.0[0], place).chain_update(entry);
        mac.finalize().into_bytes()[..SEAL_BYTES].to_vec()
    }

    /// Whether a seal was made with one of the secrets.
    pub fn is_valid(&self, place: &[u8], entry: &[u8], seal: &[u8]) -> bool {
        let is_of = |key| {
            let mac = mac(key, place).chain_update(entry);
            mac.verify_truncated_left(seal).is_ok()
        };
        seal.len() == SEAL_BYTES && self.0.0.iter().any(is_of)
    }
}

/// Shows no secret.
impl fmt::Debug for SealKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealKeys(…)")
    }
}

fn hmac(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes a key of any length")
}

fn mac(key: &Hmac<Sha256>, sealed: &[u8]) -> Hmac<Sha256> {
    let mut mac = key.clone();
    mac.update(sealed);
    mac
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: [u8; 32] = [1; 32];
    const NEW: [u8; 32] = [2; 32];

    fn keys(secrets: &[[u8; 32]], purpose: &[u8]) -> SealKeys {
        Secrets::new(secrets).unwrap().keys(purpose)
    }

    #[test]
    fn the_first_secret_seals_and_all_open() {
        let old = keys(&[OLD], b"a").seal(b"data".to_vec());
        let both = keys(&[NEW, OLD], b"a");
        assert_eq!(both.open(&old, 64), Ok(b"data".to_vec()));
        let new = both.seal(b"data".to_vec());
        assert_eq!(keys(&[NEW], b"a").open(&new, 64), Ok(b"data".to_vec()));
        assert_eq!(keys(&[NEW], b"a").open(&old, 64), Err(Unsealed::Foreign));
        assert_eq!(keys(&[OLD], b"b").open(&old, 64), Err(Unsealed::Foreign));
    }

    #[test]
    fn a_changed_text_is_foreign_and_other_text_is_malformed() {
        let keys = keys(&[OLD], b"a");
        let text = keys.seal(b"data".to_vec());
        for at in 0..text.len() - 1 {
            let other = if text.as_bytes()[at] == b'A' {
                "B"
            } else {
                "A"
            };
            let changed = format!("{}{other}{}", &text[..at], &text[at + 1..]);
            assert_eq!(keys.open(&changed, 64), Err(Unsealed::Foreign), "{at}");
        }
        for malformed in ["", "AAAA", "a b", &format!("{text}="), &"A".repeat(68)] {
            assert_eq!(keys.open(malformed, 64), Err(Unsealed::Malformed));
        }
    }

    #[cfg(feature = "cluster")]
    #[test]
    fn the_seal_of_an_entry_is_valid_for_it_in_its_place_with_any_of_the_secrets() {
        let seals = |secrets: &[[u8; 32]]| EntrySeals::new(&Secrets::new(secrets).unwrap());
        let seal = seals(&[OLD]).seal(b"lane 1", b"entry");
        assert_eq!(seal.len(), SEAL_BYTES);
        assert!(seals(&[OLD]).is_valid(b"lane 1", b"entry", &seal));
        assert!(seals(&[NEW, OLD]).is_valid(b"lane 1", b"entry", &seal));
        assert!(!seals(&[NEW]).is_valid(b"lane 1", b"entry", &seal));
        assert!(!seals(&[OLD]).is_valid(b"lane 2", b"entry", &seal));
        assert!(!seals(&[OLD]).is_valid(b"lane 1", b"entri", &seal));
        for short in [&seal[..SEAL_BYTES - 1], &seal[..1], b""] {
            assert!(!seals(&[OLD]).is_valid(b"lane 1", b"entry", short));
        }
    }

    #[test]
    fn secrets_are_long_and_not_shown() {
        assert!(Secrets::new([[0; 31]]).is_none());
        assert!(Secrets::new(Vec::<[u8; 32]>::new()).is_none());
        let secrets = Secrets::new([OLD]).unwrap();
        let shown = format!("{secrets:?} {:?}", secrets.keys(b"a"));
        assert_eq!(shown, "Secrets(…) SealKeys(…)");
    }
}
