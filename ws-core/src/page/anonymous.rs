//! The ids of pages without a session, for clients without cookies.
//!
//! Such an id is sealed with the secret of the server, that of a page of a session with a secret of
//! the session. Their forms differ, so neither is ever read as the other.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::id::{self, NoPage};
use crate::log::{SealKeys, Secrets, Unsealed};
use crate::session::{SessionError, SessionId};

/// The version of the sealed form.
const VERSION: u8 = 1;
/// Bytes of the random part, which makes an id unique.
const NONCE_LEN: usize = 16;
/// Bytes of the time when the id was issued, in seconds since 1970.
const ISSUED_LEN: usize = 8;
/// Bytes of the seal.
const SEAL_LEN: usize = 16;
/// The number of characters of an id.
const ID_LEN: usize = ((1 + NONCE_LEN + ISSUED_LEN + SEAL_LEN) * 4).div_ceil(3);

/// Separates the key of these ids from others that are derived from the same secret.
const LABEL: &[u8] = b"ws-server id of a page without a session";

/// Seals and opens the ids of a server's pages without a session.
#[derive(Debug)]
pub(super) struct AnonymousIds(SealKeys);

/// The verified id of a page without a session.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct AnonymousId {
    pub(super) text: Arc<str>,
    /// Identifies the private session of the page.
    pub(super) session: SessionId,
    /// The time since it was issued.
    pub(super) age: Duration,
}

/// The form of an id, which shows who has sealed it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum FormOfId {
    /// A session.
    OfSession,
    /// The server, for a page without a session.
    Anonymous,
}

/// The form of a text that may be an id.
pub(crate) fn form_of(text: &str) -> Option<FormOfId> {
    match text.len() {
        id::ID_LEN => Some(FormOfId::OfSession),
        ID_LEN => Some(FormOfId::Anonymous),
        _ => None,
    }
}

impl AnonymousIds {
    pub(super) fn new(secrets: &Secrets) -> Self {
        Self(secrets.keys(LABEL))
    }

    /// Issues a new id.
    pub(super) fn issue(&self, now: SystemTime) -> Result<AnonymousId, SessionError> {
        let mut nonce = [0; NONCE_LEN];
        getrandom::fill(&mut nonce).map_err(|_| SessionError::Random)?;
        let mut bytes = Vec::with_capacity(ID_LEN);
        bytes.push(VERSION);
        bytes.extend_from_slice(&nonce);
        bytes.extend_from_slice(&seconds(now).to_be_bytes());
        Ok(AnonymousId {
            text: self.0.seal(bytes).into(),
            session: SessionId::from_bytes(nonce),
            age: Duration::ZERO,
        })
    }

    /// Verifies that this server has issued the id, or one with the same secret.
    pub(super) fn open(&self, text: &str, now: SystemTime) -> Result<AnonymousId, NoPage> {
        if text.len() != ID_LEN {
            return Err(NoPage::Malformed);
        }
        let bytes = self.0.open(text, ID_LEN).map_err(|error| match error {
            Unsealed::Malformed => NoPage::Malformed,
            Unsealed::Foreign => NoPage::Foreign,
        })?;
        let (nonce, issued) = read(&bytes).ok_or(NoPage::Malformed)?;
        // An id of a moment ago may be of the future, by the clock of this server.
        let age = seconds(now).saturating_sub(issued);
        Ok(AnonymousId {
            text: text.into(),
            session: SessionId::from_bytes(nonce),
            age: Duration::from_secs(age),
        })
    }
}

/// Reads the random part and the time of an id.
fn read(bytes: &[u8]) -> Option<([u8; NONCE_LEN], u64)> {
    let (&version, rest) = bytes.split_first()?;
    let (nonce, issued) = rest.split_first_chunk()?;
    let issued = issued.try_into().ok()?;
    (version == VERSION).then_some((*nonce, u64::from_be_bytes(issued)))
}

fn seconds(now: SystemTime) -> u64 {
    let since = now.duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

/// Does not show the id: it is the whole credentials of a client without cookies.
impl fmt::Debug for AnonymousId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AnonymousId(…)")
    }
}

/// Checks that a text which the server has not sealed is not opened, and that an issued id with these
/// changes is not either.
#[cfg(fuzzing)]
pub fn check_forgery(text: &str, changes: &[u8]) {
    let ids = |secret| {
        let secret = Secrets::new([[secret; Secrets::MIN_BYTES]]).expect("a long secret");
        AnonymousIds::new(&secret)
    };
    let now = SystemTime::UNIX_EPOCH;
    let has_form = form_of(text) == Some(FormOfId::Anonymous);
    // A secret that has issued none: the fuzzer could find an issued id in memory.
    match ids(2).open(text, now) {
        Err(NoPage::Foreign) => assert!(has_form),
        opened => assert_eq!(opened, Err(NoPage::Malformed)),
    }
    let ids = ids(1);
    let issued = ids.issue(now).expect("random numbers").text;
    let mut changed = issued.as_bytes().to_vec();
    for (byte, change) in changed.iter_mut().zip(changes) {
        *byte ^= change & 0x7f;
    }
    let changed = std::str::from_utf8(&changed).expect("ASCII");
    assert_eq!(ids.open(changed, now).is_ok(), *changed == *issued);
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: [u8; 32] = [1; 32];
    const NEW: [u8; 32] = [2; 32];
    const HOUR: Duration = Duration::from_secs(3600);

    fn ids(secrets: &[[u8; 32]]) -> AnonymousIds {
        AnonymousIds::new(&Secrets::new(secrets).unwrap())
    }

    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + HOUR * 500_000
    }

    #[test]
    fn an_id_is_opened_with_its_age_and_always_names_the_same_session() {
        let ids = ids(&[OLD]);
        let id = ids.issue(now()).unwrap();
        assert_eq!(
            (form_of(&id.text), id.text.len()),
            (Some(FormOfId::Anonymous), 55)
        );
        assert!(
            id.text
                .bytes()
                .all(|it| it.is_ascii_alphanumeric() || b"-_".contains(&it))
        );
        assert_eq!(ids.open(&id.text, now()), Ok(id.clone()));
        let later = ids.open(&id.text, now() + HOUR).unwrap();
        assert_eq!((later.age, later.session), (HOUR, id.session));
        assert_eq!(ids.open(&id.text, now() - HOUR), Ok(id.clone()));
        assert_ne!(ids.issue(now()).unwrap().session, id.session);
        assert_eq!(format!("{id:?}"), "AnonymousId(…)");
    }

    #[test]
    fn an_id_stays_valid_while_its_secret_is_among_those_of_the_server() {
        let id = ids(&[OLD]).issue(now()).unwrap();
        let rotated = ids(&[NEW, OLD]);
        assert_eq!(rotated.open(&id.text, now()), Ok(id.clone()));
        let newer = rotated.issue(now()).unwrap();
        assert_eq!(ids(&[NEW]).open(&newer.text, now()), Ok(newer));
        assert_eq!(ids(&[NEW]).open(&id.text, now()), Err(NoPage::Foreign));
    }

    #[test]
    fn a_seal_of_another_purpose_is_no_id() {
        let secrets = Secrets::new([OLD]).unwrap();
        let bytes = vec![VERSION; 1 + NONCE_LEN + ISSUED_LEN];
        let sealed = secrets
            .keys(b"ws-server base of a page's cursor")
            .seal(bytes);
        assert_eq!(form_of(&sealed), Some(FormOfId::Anonymous));
        let ids = AnonymousIds::new(&secrets);
        assert_eq!(ids.open(&sealed, now()), Err(NoPage::Foreign));
    }

    #[test]
    fn a_changed_id_is_foreign_and_one_of_another_form_malformed() {
        let ids = ids(&[OLD]);
        let id = ids.issue(now()).unwrap().text;
        for at in 0..id.len() - 1 {
            let other = if id.as_bytes()[at] == b'A' { "B" } else { "A" };
            let changed = format!("{}{other}{}", &id[..at], &id[at + 1..]);
            assert_eq!(ids.open(&changed, now()), Err(NoPage::Foreign), "{at}");
        }
        let long = "A".repeat(100_000);
        for malformed in [
            "",
            &id[1..],
            &format!("{id}A"),
            &format!("{id}AAAA"),
            &long,
            " ",
        ] {
            assert_eq!(ids.open(malformed, now()), Err(NoPage::Malformed));
        }
        // The last character has two bits that must be zero.
        let last = char::from(id.as_bytes()[id.len() - 1] + 1);
        let same_bytes = format!("{}{last}", &id[..id.len() - 1]);
        assert_eq!(ids.open(&same_bytes, now()), Err(NoPage::Malformed));
    }
}
