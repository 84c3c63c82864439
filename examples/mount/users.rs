//! The users of the application and their passwords. The library gets only the user's name.
//!
//! A real application keeps this table in its database. When a user chooses a password, it computes
//! the hash with `Argon2::default().hash_password(…)`, from the crate's feature `getrandom`. It
//! throttles failed attempts by account and by address, and serves its pages over TLS.

use std::collections::BTreeMap;
use std::sync::Arc;

use argon2::Argon2;
use argon2::password_hash::PasswordVerifier;
use argon2::password_hash::phc::PasswordHash;
use tokio::sync::Semaphore;

/// Names and hashes, as in a database. This is a demonstration, so `logon.html` contains the
/// passwords; the one of `r&d`, a name that HTML must escape, is `tea & toast`.
const USERS: [(&str, &str); 3] = [
    (
        "ada",
        "$argon2id$v=19$m=19456,t=2,p=1$m/0NVFQiuuPTeXm04C978g$IS6HtmdF+dTSqBuYSYiEG4YKn0xIMRAixFAMMU+8boc",
    ),
    (
        "grace",
        "$argon2id$v=19$m=19456,t=2,p=1$ugLMeRV9HVqzDJgBKw3B7Q$hrrzJPS012xHxRY1gNtuSPybcw+N+o055K7kHVYNLZc",
    ),
    (
        "r&d",
        "$argon2id$v=19$m=19456,t=2,p=1$7TVm2BEy3ImxUK7DNEO/TQ$I0X4zXxmgudvmQoFUbufLHjy9kHlvJ+vdDKRq+yo4Jk",
    ),
];

/// A hash of discarded random bytes: no password matches it.
const UNKNOWN_USER: &str = "$argon2id$v=19$m=19456,t=2,p=1$i32U6WpMAEJbq9GNCj21jg$DdD8AG9ov3L35wf5acGoe5+faDuAimhFIYiHA5CXRw0";

/// The number of passwords that are verified at once. Each takes a core and 19 MiB: a flood of
/// logons delays other logons, but does not exhaust the machine.
const MAX_VERIFICATIONS: usize = 2;

/// The users. Clones share one table.
#[derive(Clone)]
pub(crate) struct Users {
    hashes: Arc<BTreeMap<&'static str, PasswordHash>>,
    unknown_user: PasswordHash,
    permits: Arc<Semaphore>,
}

impl Users {
    /// The users of the demonstration.
    pub(crate) fn new() -> examples::Result<Self> {
        let mut hashes = BTreeMap::new();
        for (name, hash) in USERS {
            hashes.insert(name, PasswordHash::new(hash)?);
        }
        Ok(Self {
            hashes: Arc::new(hashes),
            unknown_user: PasswordHash::new(UNKNOWN_USER)?,
            permits: Arc::new(Semaphore::new(MAX_VERIFICATIONS)),
        })
    }

    /// Returns whether this user has this password. An unknown user takes as long as a known one,
    /// so the time does not reveal which names exist.
    pub(crate) async fn verify(&self, name: &str, password: String) -> bool {
        let known = self.hashes.get(name);
        let hash = known.unwrap_or(&self.unknown_user).clone();
        let Ok(permit) = self.permits.clone().acquire_owned().await else {
            return false;
        };
        // Argon2 is slow by design, so it must not block the threads that serve sockets.
        let verified = tokio::task::spawn_blocking(move || {
            let verified = Argon2::default().verify_password(password.as_bytes(), &hash);
            // The permit is released here: if the client disconnects earlier, the work still
            // counts.
            drop(permit);
            verified.is_ok()
        });
        verified.await.unwrap_or(false) && known.is_some()
    }
}
