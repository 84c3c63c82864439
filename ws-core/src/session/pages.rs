//! The interface through which sessions reach their pages.

use super::SessionId;
use crate::wire::Push;

/// Identifies a session between two logons, within this process.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct SessionGeneration {
    pub(super) id: SessionId,
    pub(super) renewals: u32,
}

/// The pages of a server.
pub(crate) trait SessionPages: Send + Sync {
    /// Pushes to all pages of a session. Returns the number of pages that accepted it.
    fn push(&self, session: SessionGeneration, push: &Push) -> usize;
    /// Notifies the pages of this session that a logon has replaced it.
    fn renewed(&self, session: SessionGeneration);
}
