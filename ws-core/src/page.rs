//! One rendered page in one tab.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::session::{Session, SessionError};

/// Bytes of an id that make it unique.
const NONCE: usize = 12;
/// Bytes of an id that say after how many logons it was issued.
const RENEWALS: usize = 4;
/// Bytes of an id that say when it was issued: seconds of its session's age.
const ISSUED: usize = 4;
/// Bytes of an id that show who issued it.
const SEAL: usize = 16;
/// Bytes of an id that are sealed.
const SEALED: usize = NONCE + RENEWALS + ISSUED;
/// Characters of an id.
const LEN: usize = (SEALED + SEAL) / 3 * 4;

/// The page that opened a connection, found by the id `z_pid` that was issued to it.
///
/// A hook takes it as an argument on a route that requires a session and a page.
///
/// An id is issued for every rendering of a page, and is good with the session that it was
/// issued to, and with no other, for `page_lifetime` (24 hours). A logon lets the pages of
/// before go on with the session, counted anew, but a second one does not; and they prove no
/// longer that a request from another site is meant. The server remembers no ids: each carries its time and a seal (HMAC-SHA-256, 128 bits) under a secret of its
/// session, so that any number of pages costs nothing.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// use ws_core::page::Page;
/// use ws_core::session::Sessions;
///
/// let sessions = Sessions::default();
/// let (mine, _) = sessions.begin().await.unwrap();
/// let (yours, _) = sessions.begin().await.unwrap();
/// let page = Page::issue(&mine).unwrap();
/// assert_eq!(Page::of(&mine, page.id()), Some(page.clone()));
/// assert_eq!(Page::of(&yours, page.id()), None);
/// # });
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Page {
    id: Arc<str>,
    /// It was issued before the last logon.
    is_former: bool,
}

impl Page {
    /// A new page of this session.
    ///
    /// # Errors
    ///
    /// [`SessionError::Random`] where the operating system has no random numbers.
    pub fn issue(session: &Session) -> Result<Self, SessionError> {
        let mut bytes = [0; SEALED + SEAL];
        let (sealed, seal) = bytes.split_at_mut(SEALED);
        let (nonce, rest) = sealed.split_at_mut(NONCE);
        let (renewals, issued) = rest.split_at_mut(RENEWALS);
        renewals.copy_from_slice(&session.renewals().to_be_bytes());
        getrandom::fill(nonce).map_err(|_| SessionError::Random)?;
        // A session does not become 136 years old.
        let now = u32::try_from(session.age().as_secs()).unwrap_or(u32::MAX);
        issued.copy_from_slice(&now.to_be_bytes());
        seal.copy_from_slice(&mac(session, sealed).finalize().into_bytes()[..SEAL]);
        Ok(Self {
            id: BASE64.encode(bytes).into(),
            is_former: false,
        })
    }

    /// The page of this id, where the id was issued to this session and is still good.
    pub fn of(session: &Session, id: &str) -> Option<Self> {
        if id.len() != LEN {
            return None;
        }
        let bytes = BASE64.decode(id).ok()?;
        let (sealed, seal) = bytes.split_at_checked(SEALED)?;
        mac(session, sealed).verify_truncated_left(seal).ok()?;
        let (_, times) = sealed.split_at(NONCE);
        let (renewals, issued) = times.split_at(RENEWALS);
        let number = |bytes: &[u8]| {
            bytes
                .iter()
                .fold(0, |sum, byte| sum << 8 | u32::from(*byte))
        };
        let since = match session.renewals().checked_sub(number(renewals))? {
            0 => Duration::from_secs(number(issued).into()),
            // The session's age counts from the logon, and so does the page's.
            1 => Duration::ZERO,
            _ => return None,
        };
        let age = session.age().saturating_sub(since);
        (age < session.page_lifetime()).then(|| Self {
            id: id.into(),
            is_former: number(renewals) != session.renewals(),
        })
    }

    /// Whether the page was issued before the last logon.
    pub(crate) const fn is_former(&self) -> bool {
        self.is_former
    }

    /// The id of the page, for its HTML: the browser sends it as `?z_pid=…`. It consists of
    /// letters, digits, `-` and `_`.
    pub fn id(&self) -> &str {
        &self.id
    }
}

/// The seal over a part of an id.
fn mac(session: &Session, sealed: &[u8]) -> Hmac<Sha256> {
    let mac = Hmac::<Sha256>::new_from_slice(session.page_secret());
    let mut mac = mac.expect("HMAC takes a key of any length");
    mac.update(sealed);
    mac
}

/// The id is half of what opens a connection: it is not shown.
impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Page(…)")
    }
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
        let page = Page::issue(&session).unwrap();
        assert_eq!(page.id().len(), LEN);
        let lifetime = sessions.limits().page_lifetime;
        tokio::time::advance(lifetime.saturating_sub(SECOND)).await;
        assert_eq!(Page::of(&session, page.id()), Some(page.clone()));
        tokio::time::advance(SECOND).await;
        assert_eq!(Page::of(&session, page.id()), None);
    }

    #[tokio::test]
    async fn an_id_that_was_changed_in_any_place_is_none() {
        let (_sessions, session) = session().await;
        let page = Page::issue(&session).unwrap();
        let id = page.id();
        for at in 0..id.len() {
            let other = if id.as_bytes()[at] == b'A' { "B" } else { "A" };
            let changed = format!("{}{other}{}", &id[..at], &id[at + 1..]);
            assert_eq!(Page::of(&session, &changed), None, "{at}");
        }
        for wrong in [
            "",
            &id[1..],
            &format!("{id}A"),
            &format!("{id}AAAA"),
            &"A".repeat(LEN),
        ] {
            assert_eq!(Page::of(&session, wrong), None, "{wrong}");
        }
        assert_ne!(Page::issue(&session).unwrap(), page);
    }

    #[tokio::test]
    async fn an_id_is_good_after_one_logon_and_with_no_other_session() {
        let (sessions, session) = session().await;
        let page = Page::issue(&session).unwrap();
        let user = Some("ada".to_owned());
        let (renewed, _) = sessions.renew(&session, user.clone()).await.unwrap();
        let former = Page::of(&renewed, page.id()).unwrap();
        assert_eq!((former.id(), former.is_former()), (page.id(), true));
        assert!(!Page::issue(&renewed).unwrap().is_former());
        let later = Page::issue(&renewed).unwrap();
        assert_eq!(Page::of(&session, later.id()), None, "it is of the future");
        let (again, _) = sessions.renew(&renewed, user).await.unwrap();
        assert_eq!(Page::of(&again, page.id()), None);
        let (other, _) = sessions.begin().await.unwrap();
        assert_eq!(Page::of(&other, page.id()), None);
        assert_eq!(format!("{page:?}"), "Page(…)");
    }

    #[tokio::test(start_paused = true)]
    async fn a_logon_does_not_let_a_page_live_longer_than_one_of_that_moment() {
        let (sessions, session) = session().await;
        tokio::time::advance(SECOND * 100).await;
        let early = Page::issue(&session).unwrap();
        let (renewed, _) = sessions.renew(&session, None).await.unwrap();
        let lifetime = sessions.limits().page_lifetime;
        tokio::time::advance(lifetime.saturating_sub(SECOND)).await;
        assert!(Page::of(&renewed, early.id()).is_some());
        tokio::time::advance(SECOND).await;
        assert_eq!(Page::of(&renewed, early.id()), None);
    }
}
