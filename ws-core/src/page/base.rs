//! The sealed base of a page's cursor.
//!
//! A page keeps the base, and the places of the messages that it has received since. When it
//! returns, both show what it has received. No place before the base is accepted, so a page never
//! gets what was published before its session began.

use sha2::{Digest, Sha256};

use crate::log::{Cursor, SealKeys, Secrets, Unsealed};
use crate::session::{SessionGeneration, SessionId};

/// The version of the sealed form.
const VERSION: u8 = 2;

/// Bytes of the hash of the page's id.
const PAGE_BYTES: usize = 8;

/// Bytes before the cursor: the version, the page, the session, its logons, the stream, and whether
/// it continues another one.
const HEAD_BYTES: usize = 1 + PAGE_BYTES + 16 + 4 + 8 + 1;

/// Characters of the longest base, and of the longest list of places.
pub(crate) const MAX_CURSOR_TEXT: usize = 2048;

/// Separates the key of bases from others that are derived from the same secret.
const LABEL: &[u8] = b"ws-server base of a page's cursor";

/// The identity of one stream: no other stream of the process has its number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct StreamStamp {
    pub(crate) number: u64,
    pub(crate) session: SessionGeneration,
}

/// An opened base.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Base {
    pub(crate) stamp: StreamStamp,
    /// The page had received messages before its stream began.
    pub(crate) is_continued: bool,
    pub(crate) cursor: Cursor,
}

/// Where the stream of a page begins.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub(crate) struct BaseCursor {
    /// The page has received messages before.
    pub(crate) is_continued: bool,
    /// The cursor in its binary form.
    pub(crate) cursor: Box<[u8]>,
}

impl BaseCursor {
    /// The page has received nothing before this.
    pub(crate) const fn at(cursor: Box<[u8]>) -> Self {
        Self {
            is_continued: false,
            cursor,
        }
    }
}

/// Why a base cannot be opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum InvalidBase {
    /// Not a base, or of another page or session.
    Refused,
    /// Of an earlier process, or forged.
    Unknown,
}

/// Seals and opens the bases of a server.
#[derive(Debug)]
pub(crate) struct BaseKeys(SealKeys);

impl BaseKeys {
    pub(super) fn new(secrets: &Secrets) -> Self {
        Self(secrets.keys(LABEL))
    }

    /// Seals the base of a page.
    pub(super) fn seal(&self, page: &str, stamp: StreamStamp, begin: &BaseCursor) -> String {
        let BaseCursor {
            is_continued,
            cursor,
        } = begin;
        let mut bytes = Vec::with_capacity(HEAD_BYTES + cursor.len() + 16);
        bytes.push(VERSION);
        bytes.extend_from_slice(&hash(page));
        bytes.extend_from_slice(stamp.session.id.as_bytes());
        bytes.extend_from_slice(&stamp.session.renewals.to_be_bytes());
        bytes.extend_from_slice(&stamp.number.to_be_bytes());
        bytes.push(u8::from(*is_continued));
        bytes.extend_from_slice(cursor);
        self.0.seal(bytes)
    }

    /// Opens the base of a page of this session.
    pub(super) fn open(
        &self,
        text: &str,
        page: &str,
        session: SessionId,
    ) -> Result<Base, InvalidBase> {
        let bytes = self.0.open(text, MAX_CURSOR_TEXT);
        let bytes = bytes.map_err(|error| match error {
            Unsealed::Malformed => InvalidBase::Refused,
            Unsealed::Foreign => InvalidBase::Unknown,
        })?;
        let (base, of) = Base::read(&bytes).ok_or(InvalidBase::Unknown)?;
        if of != hash(page) || base.stamp.session.id != session {
            return Err(InvalidBase::Refused);
        }
        Ok(base)
    }
}

impl Base {
    /// Reads a base, and the hash of its page.
    fn read(bytes: &[u8]) -> Option<(Self, [u8; PAGE_BYTES])> {
        let (&version, rest) = bytes.split_first()?;
        let (page, rest) = rest.split_first_chunk()?;
        let (id, rest) = rest.split_first_chunk()?;
        let (renewals, rest) = rest.split_first_chunk()?;
        let (number, rest) = rest.split_first_chunk()?;
        let (&is_continued, cursor) = rest.split_first()?;
        let session = SessionGeneration {
            id: SessionId::from_bytes(*id),
            renewals: u32::from_be_bytes(*renewals),
        };
        let stamp = StreamStamp {
            number: u64::from_be_bytes(*number),
            session,
        };
        let cursor = Cursor::from_bytes(cursor).filter(|_| version == VERSION)?;
        let is_continued = is_continued != 0;
        let base = Self {
            stamp,
            is_continued,
            cursor,
        };
        Some((base, *page))
    }
}

fn hash(page: &str) -> [u8; PAGE_BYTES] {
    let mut hash = [0; PAGE_BYTES];
    hash.copy_from_slice(&Sha256::digest(page)[..PAGE_BYTES]);
    hash
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topic::Topics;

    fn keys(secret: u8) -> BaseKeys {
        BaseKeys::new(&Secrets::new([[secret; 32]]).unwrap())
    }

    fn stamp(session: u8) -> StreamStamp {
        let session = SessionGeneration {
            id: SessionId::from_bytes([session; 16]),
            renewals: 3,
        };
        StreamStamp { number: 7, session }
    }

    #[test]
    fn a_base_is_valid_for_its_page_and_session_only() {
        let cursor = Topics::new(1, 0).heads();
        let text = keys(1).seal("page", stamp(1), &BaseCursor::at(cursor.to_bytes()));
        assert!(text.len() < 160, "{}", text.len());
        let session = stamp(1).session.id;
        let open = |secret, page, id| keys(secret).open(&text, page, id);
        let base = open(1, "page", session).unwrap();
        assert_eq!((base.stamp, base.cursor), (stamp(1), cursor));
        assert_eq!(open(1, "other", session), Err(InvalidBase::Refused));
        let other = stamp(2).session.id;
        assert_eq!(open(1, "page", other), Err(InvalidBase::Refused));
        assert_eq!(open(2, "page", session), Err(InvalidBase::Unknown));
    }

    #[test]
    fn other_text_is_refused_and_a_changed_one_is_unknown() {
        let keys = keys(1);
        let cursor = Topics::new(1, 0).heads().to_bytes();
        let text = keys.seal("page", stamp(1), &BaseCursor::at(cursor));
        let open = |text: &str| keys.open(text, "page", stamp(1).session.id);
        for at in 0..text.len() - 1 {
            let other = if text.as_bytes()[at] == b'A' {
                "B"
            } else {
                "A"
            };
            let changed = format!("{}{other}{}", &text[..at], &text[at + 1..]);
            assert_eq!(open(&changed), Err(InvalidBase::Unknown), "{at}");
        }
        for text in ["", "a b", &"A".repeat(MAX_CURSOR_TEXT + 4)] {
            assert_eq!(open(text), Err(InvalidBase::Refused));
        }
        // Sealed by a later version, or cut.
        for bytes in [vec![], vec![1; 64], vec![VERSION; HEAD_BYTES + 8]] {
            let text = keys.0.seal(bytes);
            assert_eq!(open(&text), Err(InvalidBase::Unknown));
        }
    }
}
