//! The pages of sessions, as sessions know them.

use super::SessionId;
use crate::wire::Push;

/// Names a session between two logons, within this process.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Lineage {
    pub(super) id: SessionId,
    pub(super) renewals: u32,
}

/// The pages of a server.
pub(crate) trait SessionPages: Send + Sync {
    /// Pushes to all pages of a session. Returns how many take it.
    fn push(&self, session: Lineage, push: &Push) -> usize;
    /// A logon has made another session of this one.
    fn renewed(&self, session: Lineage);
}
