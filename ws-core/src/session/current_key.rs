//! The key under which the store keeps a session now.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::SessionKey;

/// The key of a session after its last known logon. All handles of the session share it.
pub(super) struct CurrentKey(Mutex<NumberedKey>);

struct NumberedKey {
    /// The number of logons that led to this key.
    renewals: u32,
    key: SessionKey,
}

impl CurrentKey {
    pub(super) fn new(renewals: u32, key: SessionKey) -> Self {
        Self(Mutex::new(NumberedKey { renewals, key }))
    }

    fn lock(&self) -> MutexGuard<'_, NumberedKey> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn get(&self) -> SessionKey {
        self.lock().key
    }

    /// Records the key after this number of logons. The threads of two logons may call this in
    /// either order, so the key of an earlier logon changes nothing.
    pub(super) fn advance(&self, renewals: u32, key: SessionKey) {
        let mut current = self.lock();
        if renewals > current.renewals {
            *current = NumberedKey { renewals, key };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_the_last_logon_counts_in_whatever_order_logons_are_recorded() {
        let [first, second, third] = ["1", "2", "3"].map(SessionKey::of_foreign);
        let current = CurrentKey::new(0, first);
        current.advance(2, third);
        current.advance(1, second);
        assert!(current.get() == third);
    }
}
