//! The ids of pages: issues, seals and verifies them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use http::StatusCode;
use sha2::Sha256;

use crate::session::{Session, SessionError};

/// Bytes of the random part, which makes an id unique.
const NONCE_LEN: usize = 12;
/// Bytes of the number of logons before the id was issued.
const RENEWALS_LEN: usize = 4;
/// Bytes of the time when it was issued, in seconds of its session's age.
const ISSUED_LEN: usize = 4;
/// Bytes of the seal, which proves that its session issued it.
const SEAL_LEN: usize = 16;
/// Bytes of the sealed part.
const SEALED_LEN: usize = NONCE_LEN + RENEWALS_LEN + ISSUED_LEN;
/// The number of characters of an id.
pub(super) const ID_LEN: usize = (SEALED_LEN + SEAL_LEN) / 3 * 4;

/// The verified id of a page.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct PageId {
    pub(super) text: Arc<str>,
    /// The id was issued before the last logon.
    pub(super) predates_logon: bool,
}

impl PageId {
    /// Issues a new id for this session.
    pub(super) fn issue(session: &Session) -> Result<Self, SessionError> {
        let mut bytes = [0; SEALED_LEN + SEAL_LEN];
        let (sealed, seal) = bytes.split_at_mut(SEALED_LEN);
        let (nonce, rest) = sealed.split_at_mut(NONCE_LEN);
        let (renewals, issued) = rest.split_at_mut(RENEWALS_LEN);
        renewals.copy_from_slice(&session.renewals().to_be_bytes());
        getrandom::fill(nonce).map_err(|_| SessionError::Random)?;
        // No session is 136 years old.
        let now = u32::try_from(session.age().as_secs()).unwrap_or(u32::MAX);
        issued.copy_from_slice(&now.to_be_bytes());
        seal.copy_from_slice(&mac(session, sealed).finalize().into_bytes()[..SEAL_LEN]);
        Ok(Self {
            text: BASE64.encode(bytes).into(),
            predates_logon: false,
        })
    }

    /// The id of a page without a session.
    pub(super) const fn anonymous(text: Arc<str>) -> Self {
        Self {
            text,
            predates_logon: false,
        }
    }

    /// Verifies that the id was issued to this session and is still valid.
    pub(super) fn of(session: &Session, id: &str) -> Result<Self, NoPage> {
        let bytes = Some(id).filter(|id| id.len() == ID_LEN);
        let bytes = bytes.and_then(|id| BASE64.decode(id).ok());
        let bytes = bytes.ok_or(NoPage::Foreign)?;
        let (sealed, seal) = bytes.split_at_checked(SEALED_LEN).ok_or(NoPage::Foreign)?;
        let verified = mac(session, sealed).verify_truncated_left(seal);
        verified.map_err(|_| NoPage::Foreign)?;
        let (_, times) = sealed.split_at(NONCE_LEN);
        let (renewals, issued) = times.split_at(RENEWALS_LEN);
        let number = |bytes: &[u8]| {
            bytes
                .iter()
                .fold(0, |sum, byte| sum << 8 | u32::from(*byte))
        };
        let since = match session.renewals().checked_sub(number(renewals)) {
            Some(0) => Duration::from_secs(number(issued).into()),
            // The session's age restarts at the logon, and so does the page's.
            Some(1) => Duration::ZERO,
            Some(_) => return Err(NoPage::Old),
            // It was issued after a logon that this session has not seen.
            None => return Err(NoPage::Foreign),
        };
        let age = session.age().saturating_sub(since);
        if age >= session.page_lifetime() {
            return Err(NoPage::Old);
        }
        Ok(Self {
            text: id.into(),
            predates_logon: number(renewals) != session.renewals(),
        })
    }
}

/// Why a request has no page. Each text completes a sentence about the request.
///
/// ```
/// use ws_server::page::NoPage;
///
/// assert_eq!(NoPage::Old.to_string(), "its page is too old");
/// assert_eq!(NoPage::Old.status(), 403);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NoPage {
    /// The request has no page id.
    #[error("the request has a session, but no page id")]
    NoId,
    /// The query of the request has the parameter more than once.
    #[error("the query of the request has more than one page id")]
    Repeated,
    /// The id was not issued to this session, or is malformed.
    #[error("its page id was not issued to its session")]
    Foreign,
    /// On a route that takes pages without a session: the id has the form neither of their ids nor
    /// of those of sessions.
    #[error("its page id is malformed")]
    Malformed,
    /// The page is older than `page_lifetime`, or there have been two logons since.
    #[error("its page is too old")]
    Old,
}

impl NoPage {
    /// The status of the response on a route that requires a page: 400 for
    /// [`Malformed`](Self::Malformed), 403 for the others.
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::Malformed => StatusCode::BAD_REQUEST,
            Self::NoId | Self::Repeated | Self::Foreign | Self::Old => StatusCode::FORBIDDEN,
        }
    }
}

/// Does not show the id: it is half of the credentials for a connection.
impl fmt::Debug for PageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PageId(…)")
    }
}

/// Computes the seal of the first part of an id.
fn mac(session: &Session, sealed: &[u8]) -> Hmac<Sha256> {
    let mac = Hmac::<Sha256>::new_from_slice(session.page_secret());
    let mut mac = mac.expect("HMAC takes a key of any length");
    mac.update(sealed);
    mac
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::Sessions;

    const SECOND: Duration = Duration::from_secs(1);

    async fn session() -> (Sessions, Session) {
        let sessions = Sessions::default();
        let (session, _) = sessions.begin().await.unwrap();
        (sessions, session)
    }

    #[tokio::test(start_paused = true)]
    async fn an_id_is_good_with_its_session_until_its_time_is_over() {
        let (sessions, session) = session().await;
        tokio::time::advance(SECOND * 100).await;
        let page = PageId::issue(&session).unwrap();
        assert_eq!(page.text.len(), ID_LEN);
        let lifetime = sessions.limits().page_lifetime;
        tokio::time::advance(lifetime.saturating_sub(SECOND)).await;
        assert_eq!(PageId::of(&session, &page.text), Ok(page.clone()));
        tokio::time::advance(SECOND).await;
        assert_eq!(PageId::of(&session, &page.text), Err(NoPage::Old));
    }

    #[tokio::test]
    async fn a_changed_id_is_invalid() {
        let (_sessions, session) = session().await;
        let page = PageId::issue(&session).unwrap();
        let id = &*page.text;
        for at in 0..id.len() {
            let other = if id.as_bytes()[at] == b'A' { "B" } else { "A" };
            let changed = format!("{}{other}{}", &id[..at], &id[at + 1..]);
            assert_eq!(PageId::of(&session, &changed), Err(NoPage::Foreign), "{at}");
        }
        for wrong in [
            "",
            &id[1..],
            &format!("{id}A"),
            &format!("{id}AAAA"),
            &"A".repeat(ID_LEN),
        ] {
            assert_eq!(PageId::of(&session, wrong), Err(NoPage::Foreign), "{wrong}");
        }
        assert_ne!(PageId::issue(&session).unwrap(), page);
    }

    #[tokio::test]
    async fn an_id_is_good_after_one_logon_and_with_no_other_session() {
        let (sessions, session) = session().await;
        let page = PageId::issue(&session).unwrap();
        let user = Some("ada".to_owned());
        let (renewed, _) = sessions.renew(&session, user.clone()).await.unwrap();
        let former = PageId::of(&renewed, &page.text).unwrap();
        assert_eq!((&*former.text, former.predates_logon), (&*page.text, true));
        assert!(!PageId::issue(&renewed).unwrap().predates_logon);
        let later = PageId::issue(&renewed).unwrap();
        assert_eq!(
            PageId::of(&session, &later.text),
            Err(NoPage::Foreign),
            "it is of the future"
        );
        let (again, _) = sessions.renew(&renewed, user).await.unwrap();
        assert_eq!(PageId::of(&again, &page.text), Err(NoPage::Old));
        let (other, _) = sessions.begin().await.unwrap();
        assert_eq!(PageId::of(&other, &page.text), Err(NoPage::Foreign));
        assert_eq!(format!("{page:?}"), "PageId(…)");
    }

    #[tokio::test(start_paused = true)]
    async fn a_logon_does_not_let_a_page_live_longer_than_one_of_that_moment() {
        let (sessions, session) = session().await;
        tokio::time::advance(SECOND * 100).await;
        let early = PageId::issue(&session).unwrap();
        let (renewed, _) = sessions.renew(&session, None).await.unwrap();
        let lifetime = sessions.limits().page_lifetime;
        tokio::time::advance(lifetime.saturating_sub(SECOND)).await;
        let found = PageId::of(&renewed, &early.text);
        assert_eq!(found.map(|id| id.text), Ok(early.text.clone()));
        tokio::time::advance(SECOND).await;
        assert_eq!(PageId::of(&renewed, &early.text), Err(NoPage::Old));
    }
}
