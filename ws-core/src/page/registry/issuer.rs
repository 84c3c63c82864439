//! Issues the ids of pages without a session.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use super::{OpenError, Pages, TooMany};
use crate::log::Secrets;
use crate::page::anonymous::{AnonymousId, AnonymousIds};
use crate::page::id::NoPage;
use crate::rates::AddressRates;

/// Issues the ids of pages without a session.
pub(super) struct AnonymousIssuer {
    ids: AnonymousIds,
    rates: AddressRates,
}

impl AnonymousIssuer {
    pub(super) fn new(secrets: &Secrets) -> Self {
        Self {
            ids: AnonymousIds::new(secrets),
            rates: AddressRates::default(),
        }
    }
}

impl Pages {
    /// Issues the id of a new page without a session, to a client of this address.
    pub(in crate::page) fn issue_anonymous(
        &self,
        address: Option<IpAddr>,
    ) -> Result<AnonymousId, OpenError> {
        let rate = self.limits.anonymous_rate;
        if !self.anonymous.rates.allows(address, rate) {
            return Err(TooMany::OfRate.into());
        }
        Ok(self.anonymous.ids.issue(SystemTime::now())?)
    }

    /// Verifies the id of a page without a session. It is valid for this time, and as long as the
    /// page has a stream: a page that waits for its client does not lose its queue.
    pub(in crate::page) fn identify_anonymous(
        &self,
        text: &str,
        lifetime: Duration,
    ) -> Result<AnonymousId, NoPage> {
        let id = self.anonymous.ids.open(text, SystemTime::now())?;
        if id.age >= lifetime && self.find(text).is_none() {
            return Err(NoPage::Old);
        }
        Ok(id)
    }
}
