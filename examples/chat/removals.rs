//! The users whom moderators have removed from rooms. They may return later.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How long a user stays out.
pub(crate) const DURATION: Duration = Duration::from_secs(10 * 60);

/// The largest number of removals. Past it, the oldest one ends early.
const MAX_REMOVALS: usize = 1_000;

/// The largest number of removals by one moderator. Past it, the moderator's oldest one ends early,
/// so one moderator cannot end the removals of the others.
const MAX_BY_ONE: usize = 100;

/// One user who was removed from one room.
struct Removal {
    room: String,
    user: String,
    moderator: String,
    until: Instant,
}

impl Removal {
    fn is_of(&self, room: &str, user: &str) -> bool {
        self.room == room && self.user == user
    }
}

/// The removals, the oldest first. Clones share one list.
#[derive(Clone, Default)]
pub(crate) struct Removals(Arc<Mutex<VecDeque<Removal>>>);

impl Removals {
    fn lock(&self) -> MutexGuard<'_, VecDeque<Removal>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn add(&self, room: &str, user: &str, moderator: &str) {
        let mut removals = self.lock();
        removals.retain(|removal| !removal.is_of(room, user));
        let by_one = |removal: &Removal| removal.moderator == moderator;
        if removals.iter().filter(|removal| by_one(removal)).count() >= MAX_BY_ONE {
            let oldest = removals.iter().position(by_one);
            oldest.and_then(|oldest| removals.remove(oldest));
        }
        if removals.len() >= MAX_REMOVALS {
            removals.pop_front();
        }
        removals.push_back(Removal {
            room: room.to_owned(),
            user: user.to_owned(),
            moderator: moderator.to_owned(),
            until: Instant::now() + DURATION,
        });
    }

    /// The moderator who has removed this user from this room, if the user must stay out.
    pub(crate) fn moderator(&self, room: &str, user: &str) -> Option<String> {
        let mut removals = self.lock();
        let now = Instant::now();
        while removals.front().is_some_and(|oldest| oldest.until <= now) {
            removals.pop_front();
        }
        let mut removals = removals.iter();
        let removal = removals.find(|removal| removal.is_of(room, user));
        removal.map(|removal| removal.moderator.clone())
    }
}
