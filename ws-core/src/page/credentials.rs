//! The credentials that a page's handler was started with.

use std::fmt;

use hmac::digest::CtOutput;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

#[cfg(feature = "cluster")]
mod marks;

#[cfg(feature = "cluster")]
pub(super) use marks::{CredentialKeys, CredentialMarks};

/// The hash of the credentials of a handshake for a page without a session. It is bound to the page,
/// and compared in constant time.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Credentials(CtOutput<Hmac<Sha256>>);

impl Credentials {
    /// The credentials of a handshake for the page with this id: the bearer token, and the other
    /// lines of `Authorization`.
    pub(crate) fn new<'l>(
        page: &str,
        token: Option<&str>,
        lines: impl Iterator<Item = &'l [u8]>,
    ) -> Self {
        let mac = Hmac::<Sha256>::new_from_slice(page.as_bytes());
        let mut mac = mac.expect("HMAC takes a key of any length");
        let mut add = |kind: u8, part: &[u8]| {
            mac.update(&[kind]);
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        };
        if let Some(token) = token {
            add(0, token.as_bytes());
        }
        for line in lines {
            add(1, line);
        }
        Self(mac.finalize())
    }
}

/// Does not show the hash: a weak password could be guessed from it.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_equal_only_if_page_token_and_lines_are() {
        let of = |page: &str, token: Option<&str>, lines: &[&str]| {
            let lines = lines.iter().map(|line| line.as_bytes());
            Credentials::new(page, token, lines)
        };
        let all = [
            of("a", None, &[]),
            of("a", Some(""), &[]),
            of("a", Some("x"), &[]),
            of("b", Some("x"), &[]),
            of("a", None, &["x"]),
            of("a", Some("x"), &["y", "z"]),
            of("a", Some("x"), &["yz"]),
            of("a", Some("x"), &["z", "y"]),
        ];
        for (at, one) in all.iter().enumerate() {
            for (other_at, other) in all.iter().enumerate() {
                assert_eq!(one == other, at == other_at, "{at} {other_at}");
            }
        }
        assert!(of("a", Some("x"), &["y"]) == of("a", Some("x"), &["y"]));
        assert_eq!(format!("{:?}", all[2]), "Credentials(…)");
    }
}
