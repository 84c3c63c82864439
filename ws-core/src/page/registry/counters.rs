//! Measurements of pages.

use super::Pages;
use crate::stats::PageStats;
use crate::wire::Gap;

impl Pages {
    /// The measurements of all pages.
    pub(crate) fn stats(&self) -> PageStats {
        let pages: Vec<_> = self.index().pages.values().cloned().collect();
        let connected = pages.iter().filter(|page| page.socket().is_some()).count();
        PageStats {
            connected,
            waiting: pages.len() - connected,
            resets_restart: self.queued.resets().get(Gap::Restart),
            resets_history: self.queued.resets().get(Gap::History),
            resets_overflow: self.queued.resets().get(Gap::Overflow),
            superseded_pushes: self.queued.superseded(),
        }
    }
}
