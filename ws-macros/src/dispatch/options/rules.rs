//! Options that contradict each other.
//!
//! Each rule also sees the options of `defaults`. If both options are in `defaults`, it is reported
//! there, and not again at the routes.

use syn::LitStr;

use super::{CrossSite, OptionValue, Options};
use crate::errors::Errors;

impl Options {
    /// A ping that is sent after the idle limit keeps no connection alive.
    ///
    /// Compares only options that the table sets: the server may set the others, and compares
    /// again.
    pub(crate) fn check_ping_below_idle(&self, errors: &Errors) {
        let (Some(ping), Some(idle)) = (self.choices.get("ping"), self.choices.get("idle")) else {
            return;
        };
        let (OptionValue::TimeOrOff(Some(after)), OptionValue::TimeOrOff(Some(limit))) =
            (&ping.value, &idle.value)
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

    /// A page belongs to a session, so there is none without one, unless the handler attaches to it.
    pub(crate) fn check_page_has_session(&self, errors: &Errors) {
        if self.attaches_page() {
            return;
        }
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
                "`require_page: true` requires a session, because a page belongs to a session\n\
                 help: remove it or `require_session: false`",
            );
        }
    }

    /// Pages of any site can make the browser of a visitor connect, with the visitor's cookies.
    ///
    /// `route` is reported if the route itself sets none of these options.
    pub(crate) fn check_cross_site_has_reason(&self, route: &LitStr, errors: &Errors) {
        let Some(which) = self.cross_site().filter(|_| !self.is_present("cross_site")) else {
            return;
        };
        let own = |name: &str| self.choices.get(name)?.written.clone();
        let message = match which {
            CrossSite::Any => {
                "`origins: any` lets pages of any site use the sessions of their visitors\n\
                 help: write `origins: [\"https://…\"]`, or `require_session: false`, or give the \
                 reason: `cross_site: \"why this is safe\"`"
            }
            CrossSite::Null => {
                "every sandboxed frame has the origin \"null\": pages of every site could act \
                 with the session of their visitors\n\
                 help: remove it, or write `require_session: false`, or give the \
                 reason: `cross_site: \"why this is safe\"`"
            }
        };
        match own("origins").or_else(|| own("require_session")) {
            Some(place) => errors.push(place, message),
            None => errors.push(route, message),
        }
    }

    /// A handler that lives as long as a page needs that page. Without a session, a client that has
    /// none gets one, so it cannot be required.
    pub(crate) fn check_attached_has_page(&self, errors: &Errors) {
        let required = self.flag("require_page");
        if self.flag("require_session") == Some(false) {
            if required == Some(true) {
                self.report_page_that_is_issued(errors);
            }
        } else if required == Some(false) {
            let why = "`attach: page` requires a page";
            self.report_attached_and("require_page", why, errors);
        }
    }

    /// Reports `require_page: true` at a route that issues pages, at the first option that the route
    /// itself sets.
    fn report_page_that_is_issued(&self, errors: &Errors) {
        if !self.attaches_page() {
            return;
        }
        let own = |name: &str| self.choices.get(name)?.written.as_ref();
        let (place, remedy) = if let Some(page) = own("require_page") {
            (page, "remove it, or `require_session: false`")
        } else if let Some(other) = own("require_session").or_else(|| own("attach")) {
            (other, "`defaults` has it: write `require_page: false` here")
        } else {
            // All are in `defaults`, where it is reported.
            return;
        };
        errors.push(
            place,
            format!(
                "`require_page: true` has no effect with `attach: page` and `require_session: false`: a \
                 client without a page gets one\nhelp: {remedy}"
            ),
        );
    }

    /// The stream of a page has its own subprotocol, so there is none to choose.
    pub(crate) fn check_attached_has_no_protocols(&self, errors: &Errors) {
        let why = "`attach: page` uses its own subprotocol";
        self.report_attached_and("protocols", why, errors);
    }

    /// A `start` function may choose a handler that does not serve pages.
    pub(crate) fn check_attached_has_no_start(&self, errors: &Errors) {
        let why = "`attach: page` does not allow `start`, which may choose another handler";
        self.report_attached_and("start", why, errors);
    }

    /// Reports that `attach: page` contradicts another option, at whichever of them the route
    /// itself sets; at the other option if it sets both.
    fn report_attached_and(&self, name: &str, why: &str, errors: &Errors) {
        let (Some(attach), Some(other)) = (self.choices.get("attach"), self.choices.get(name))
        else {
            return;
        };
        let (setting, opposite) = match other.value {
            OptionValue::Flag(flag) => (
                format!("{name}: {flag}"),
                Some(format!("{name}: {}", !flag)),
            ),
            _ => (name.to_owned(), None),
        };
        let attached = "attach: page";
        let (place, remedy) = match (&attach.written, &other.written, opposite) {
            (Some(_), Some(place), _) => (place, format!("remove `{setting}` or `{attached}`")),
            (Some(place), None, Some(opposite)) => (
                place,
                format!("`defaults` has `{setting}`: write `{opposite}` here"),
            ),
            (Some(place), None, None) => (
                place,
                format!("remove `{attached}` here, or `{setting}` from `defaults`"),
            ),
            (None, Some(place), _) => (
                place,
                format!("remove `{setting}` here, or `{attached}` from `defaults`"),
            ),
            // Both are in `defaults`, where it is reported.
            (None, None, _) => return,
        };
        errors.push(place, format!("{why}\nhelp: {remedy}"));
    }
}
