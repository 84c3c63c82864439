//! The credentials of a page in a log that several servers share.

use serde::{Deserialize, Serialize};

use super::Credentials;
use crate::log::{SealKeys, Secrets};

/// Separates the key of these marks from others that are derived from the same secret.
const LABEL: &[u8] = b"ws-server credentials of a page";

/// Marks credentials, so that servers can compare them without showing them to a reader of the log.
#[derive(Debug)]
pub(in crate::page) struct CredentialKeys(SealKeys);

/// The marks of credentials, one for each secret of the server that has made them: servers in the
/// middle of a rotation have one in common.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(in crate::page) struct CredentialMarks(Box<[String]>);

impl CredentialKeys {
    pub(in crate::page) fn new(secrets: &Secrets) -> Self {
        Self(secrets.keys(LABEL))
    }

    pub(in crate::page) fn marks(&self, credentials: &Credentials) -> CredentialMarks {
        let Credentials(hash) = credentials;
        CredentialMarks(self.0.marks(&hash.clone().into_bytes()).into())
    }

    /// Whether these marks are of the same credentials.
    pub(in crate::page) fn are_of(
        &self,
        CredentialMarks(marks): &CredentialMarks,
        credentials: &Credentials,
    ) -> bool {
        let CredentialMarks(own) = self.marks(credentials);
        own.iter().any(|mark| marks.contains(mark))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(secrets: &[u8]) -> CredentialKeys {
        let secrets = secrets.iter().map(|secret| [*secret; 32]);
        CredentialKeys::new(&Secrets::new(secrets).unwrap())
    }

    fn credentials(token: &str) -> Credentials {
        Credentials::new("page", Some(token), [].into_iter())
    }

    #[test]
    fn marks_are_compared_under_any_common_secret() {
        let (own, other) = (credentials("a"), credentials("b"));
        let marks = keys(&[2, 1]).marks(&own);
        for secrets in [&[1][..], &[2], &[2, 1], &[3, 1]] {
            assert!(keys(secrets).are_of(&marks, &own), "{secrets:?}");
            assert!(!keys(secrets).are_of(&marks, &other), "{secrets:?}");
        }
        assert!(!keys(&[3]).are_of(&marks, &own), "no common secret");
    }

    #[test]
    fn marks_do_not_show_the_credentials_or_their_hash() {
        let own = credentials("t0p");
        let marks = serde_json::to_string(&keys(&[1]).marks(&own)).unwrap();
        assert_eq!(marks.len(), r#"[""]"#.len() + 22);
        let Credentials(hash) = &own;
        let unkeyed = SealKeys::marks(&Secrets::new([[9; 32]]).unwrap().keys(LABEL), b"");
        assert_ne!(marks, serde_json::to_string(&unkeyed).unwrap());
        assert_ne!(keys(&[1]).marks(&own), keys(&[2]).marks(&own));
        let hash = hash.clone().into_bytes();
        assert!(
            !marks
                .as_bytes()
                .windows(8)
                .any(|part| hash.windows(8).any(|it| it == part))
        );
    }
}
