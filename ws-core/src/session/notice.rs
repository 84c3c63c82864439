//! What other servers must learn about sessions: their ends and logons.

use serde::{Deserialize, Serialize};

use super::{SessionGeneration, SessionId, SessionKey};

/// Sessions of one notice, at most.
pub(super) const MAX_ENDED: usize = 256;

/// A change of sessions that other servers must apply to their handles.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SessionNotice {
    /// Sessions have ended.
    Ended(Vec<EndedSession>),
    /// A logon has given a session another generation.
    Renewed {
        id: SessionId,
        renewals: u32,
        /// The key under which the store has it now: the hash of its cookie.
        key: [u8; 32],
        user: Option<String>,
    },
}

/// A session that has ended, up to this logon.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct EndedSession {
    pub(super) id: SessionId,
    pub(super) renewals: u32,
}

impl From<SessionGeneration> for EndedSession {
    fn from(SessionGeneration { id, renewals }: SessionGeneration) -> Self {
        Self { id, renewals }
    }
}

impl EndedSession {
    /// A session that has ended with all its logons.
    pub(super) const fn entirely(id: SessionId) -> Self {
        let renewals = u32::MAX;
        Self { id, renewals }
    }
}

impl SessionNotice {
    pub(super) fn renewed(now: SessionGeneration, key: SessionKey, user: Option<&str>) -> Self {
        Self::Renewed {
            id: now.id,
            renewals: now.renewals,
            key: *key.as_bytes(),
            user: user.map(str::to_owned),
        }
    }
}

#[cfg(feature = "cluster")]
impl SessionNotice {
    /// The form in the log.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("texts and numbers are JSON")
    }

    /// Reads the form in the log; `None` if a later version has written it.
    pub(crate) fn read(content: &[u8]) -> Option<Self> {
        serde_json::from_slice(content).ok()
    }
}

#[cfg(all(test, feature = "cluster"))]
mod tests {
    use super::*;

    #[test]
    fn notices_are_read_as_they_were_written() {
        let id = SessionId::from_bytes([1; 16]);
        let now = SessionGeneration { id, renewals: 2 };
        let key = SessionKey::of_foreign("key");
        for notice in [
            SessionNotice::Ended(vec![now.into(), EndedSession::entirely(id)]),
            SessionNotice::renewed(now, key, Some("ada")),
            SessionNotice::renewed(now, key, None),
        ] {
            let bytes = notice.to_bytes();
            assert_eq!(SessionNotice::read(&bytes), Some(notice));
        }
        assert_eq!(SessionNotice::read(br#"{"moved":[]}"#), None);
    }
}
