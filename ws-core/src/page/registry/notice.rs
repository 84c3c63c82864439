//! What servers that share a log tell each other about pages.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::page::credentials::CredentialMarks;
use crate::page::stream::{Attempt, ClaimId, HandedOver};

/// What servers log about pages. A later version may add kinds, and members.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum PageNotice {
    /// A client asks the author for a page: the author wants to know whether another server keeps the
    /// page, and to read what was logged before.
    Asked {
        page: Box<str>,
        question: u64,
        /// Of a client without a session.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        credentials: Option<CredentialMarks>,
    },
    /// The author has the page of this question.
    Answered {
        question: u64,
        /// Its handler was started with other credentials, so the author keeps it.
        is_kept: bool,
    },
    /// A page connects to the author.
    Attached {
        page: Box<str>,
        attempt: Attempt,
        /// Unset if an earlier version has written it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        claim: Option<ClaimId>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        credentials: Option<CredentialMarks>,
    },
    /// The author keeps a page that was claimed for this stream of another server, with other
    /// credentials.
    Kept { page: Box<str>, stream: u64 },
    /// A page has subscriptions that only the author knows.
    Anchored { page: Box<str> },
    /// The author ends, and with it the stream of a page.
    HandedOver(HandedOver),
}

impl PageNotice {
    pub(super) fn to_bytes(&self) -> Bytes {
        let json = serde_json::to_vec(self).expect("texts and numbers are JSON");
        json.into()
    }

    /// Reads a notice; `None` if a later version has written it.
    pub(super) fn read(content: &[u8]) -> Option<Self> {
        serde_json::from_slice(content).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notices_are_read_as_they_were_written() {
        let page: Box<str> = "abc".into();
        let attempt = Attempt {
            client: Some(7),
            number: None,
        };
        let attached = PageNotice::Attached {
            page: page.clone(),
            attempt,
            claim: None,
            credentials: None,
        };
        // The form of all versions for pages of sessions.
        let expected = r#"{"attached":{"page":"abc","attempt":{"client":7,"number":null}}}"#;
        assert_eq!(attached.to_bytes(), expected);
        let asked = PageNotice::Asked {
            page: page.clone(),
            question: 9,
            credentials: serde_json::from_str(r#"["a","b"]"#).unwrap(),
        };
        let expected = r#"{"asked":{"page":"abc","question":9,"credentials":["a","b"]}}"#;
        assert_eq!(asked.to_bytes(), expected);
        let answered = PageNotice::Answered {
            question: 9,
            is_kept: true,
        };
        let kept = PageNotice::Kept {
            page: page.clone(),
            stream: 3,
        };
        let anchored = PageNotice::Anchored { page };
        for notice in [attached, asked, answered, kept, anchored] {
            assert_eq!(PageNotice::read(&notice.to_bytes()), Some(notice));
        }
        assert_eq!(PageNotice::read(br#"{"moved":{}}"#), None);
        let later = br#"{"answered":{"question":9,"is_kept":true,"why":"?"}}"#;
        assert!(PageNotice::read(later).is_some(), "a later member");
    }
}
