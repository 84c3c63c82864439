//! The interface through which sessions reach their pages.

use super::SessionGeneration;
use crate::wire::Push;

/// The pages of a server.
pub(crate) trait SessionPages: Send + Sync {
    /// Pushes to all pages of a session. Returns the number of pages that accepted it.
    fn push(&self, session: SessionGeneration, push: &Push) -> usize;
    /// Notifies the pages of this session that a logon has replaced it.
    fn renewed(&self, session: SessionGeneration);
}
