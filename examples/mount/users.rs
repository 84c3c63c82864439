//! The users of the application and their passwords. The library hears a name, no more.
//!
//! A real application keeps this table in its database. It makes a hash with
//! `Argon2::default().hash_password(…)`, of the crate's feature `getrandom`, when a user
//! chooses a password; it counts what fails by account and by address and makes the next
//! attempts wait; and it serves its pages over TLS.

use std::collections::BTreeMap;
use std::sync::Arc;

use argon2::Argon2;
use argon2::password_hash::PasswordVerifier;
use argon2::password_hash::phc::PasswordHash;
use tokio::sync::Semaphore;

/// Name and hash, as a database would have them. The passwords stand in `logon.html`, for
/// this is a demonstration; that of `r&d`, whose name is no HTML, is `tea & toast`.
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

/// Of random bytes that nobody has kept.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$i32U6WpMAEJbq9GNCj21jg$DdD8AG9ov3L35wf5acGoe5+faDuAimhFIYiHA5CXRw0";

/// So many passwords are verified at once. Each takes a core, and 19 MiB: who sends many
/// makes others wait, but does not take all of the machine.
const AT_ONCE: usize = 2;

/// The users. Clones are the same table.
#[derive(Clone)]
pub struct Users {
    hashes: Arc<BTreeMap<&'static str, PasswordHash>>,
    nobody: PasswordHash,
    turns: Arc<Semaphore>,
}

impl Users {
    /// The users of the demonstration.
    pub fn new() -> examples::Result<Self> {
        let mut hashes = BTreeMap::new();
        for (name, hash) in USERS {
            hashes.insert(name, PasswordHash::new(hash)?);
        }
        Ok(Self {
            hashes: Arc::new(hashes),
            nobody: PasswordHash::new(NOBODY)?,
            turns: Arc::new(Semaphore::new(AT_ONCE)),
        })
    }

    /// Whether there is such a user with this password. The answer takes as long where there
    /// is none, so that it does not tell who is a user.
    pub async fn verify(&self, name: &str, password: String) -> bool {
        let known = self.hashes.get(name);
        let hash = known.unwrap_or(&self.nobody).clone();
        let Ok(turn) = self.turns.clone().acquire_owned().await else {
            return false;
        };
        // It computes for a while by intent: the threads that serve sockets must not.
        let verified = tokio::task::spawn_blocking(move || {
            let verified = Argon2::default().verify_password(password.as_bytes(), &hash);
            // Here and not above: who hangs up meanwhile has had a turn nevertheless.
            drop(turn);
            verified.is_ok()
        });
        verified.await.unwrap_or(false) && known.is_some()
    }
}
