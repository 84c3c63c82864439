//! Options that contradict each other.
//!
//! Each rule also sees what stands in `defaults`. Where both sides do, it is reported there, and
//! not again at the routes.

use super::{Meaning, Options};
use crate::errors::Errors;

impl Options {
    /// A ping that comes after the idle limit keeps no connection alive.
    ///
    /// Only what the table says is compared: what it leaves open the server may set, which
    /// compares again.
    pub fn check_ping_below_idle(&self, errors: &Errors) {
        let (Some(ping), Some(idle)) = (self.choices.get("ping"), self.choices.get("idle")) else {
            return;
        };
        let (Meaning::TimeOrOff(Some(after)), Meaning::TimeOrOff(Some(limit))) =
            (&ping.meaning, &idle.meaning)
        else {
            return;
        };
        let place = ping.written.as_ref().or(idle.written.as_ref());
        if let (true, Some(place)) = (after >= limit, place) {
            errors.push(
                place,
                format!(
                    "`ping` ({after:?}) must be below `idle` ({limit:?}), or the connection is \
                         closed before its first ping"
                ),
            );
        }
    }

    /// A page belongs to a session, so that there is none without one.
    pub fn check_page_has_session(&self, errors: &Errors) {
        let (Some(page), Some(session)) = (
            self.choices.get("require_page"),
            self.choices.get("require_session"),
        ) else {
            return;
        };
        let place = page.written.as_ref().or(session.written.as_ref());
        let contradict =
            self.flag("require_page") == Some(true) && self.flag("require_session") == Some(false);
        if let (true, Some(place)) = (contradict, place) {
            errors.push(
                place,
                "`require_page: true` needs a session: a page belongs to one; remove it or \
                 `require_session: false`",
            );
        }
    }
}
