//! Which server a page is connected to, if several share a log: the newest claim in the log counts.

use serde::{Deserialize, Serialize};

use super::Stream;
use crate::page::Credentials;

/// A connection of a page's script, which counts its connections.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
pub(crate) struct Attempt {
    /// The script, if it has a number.
    pub(crate) client: Option<u64>,
    /// The number of the connection.
    pub(crate) number: Option<u64>,
}

impl Attempt {
    /// Whether the same script has made this attempt before that one.
    fn is_before(&self, other: &Self) -> bool {
        let is_same = self.client.is_some() && self.client == other.client;
        is_same && self.number.is_some() && self.number < other.number
    }
}

/// Identifies a claim of a server: the stream for which it was logged, and its number there.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(in crate::page) struct ClaimId {
    pub(in crate::page) stream: u64,
    number: u64,
}

/// The claims of this server to a page.
#[derive(Default, Debug)]
pub(super) struct Ownership {
    /// This server has issued the page, or has read its own claim.
    pub(super) is_ours: bool,
    /// The numbers of the claims that this server has logged, but not read.
    pending: Vec<u64>,
    last: u64,
    /// The last attempt to which they belong.
    attempt: Attempt,
    /// The claim of another server that was read meanwhile: it counts if the log takes none of the
    /// pending ones.
    contested: Option<Attempt>,
}

/// What a claim of another server means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::page) enum Contested {
    /// The page is connected there.
    Lost,
    /// It belongs to an earlier attempt of the page, which is connected here: the other servers must
    /// learn that.
    Won(Attempt),
    /// The page has a handler here, which was started with other credentials.
    Kept,
    /// This server has logged a later claim.
    Undecided,
}

impl Stream {
    /// This server has issued the page, so no other one knows it.
    pub(in crate::page) fn own(&self) {
        self.lock().ownership.is_ours = true;
    }

    /// Whether the page is connected to this server, as far as it has read the log.
    pub(in crate::page) fn is_owned(&self) -> bool {
        self.lock().ownership.is_ours
    }

    /// Begins to attach a connection. Returns a claim if the other servers must learn of it first: not
    /// if the page is here already, and the number of the attempt shows which of several claims is
    /// the newest, or if `is_unavailable`: nobody can learn anything.
    pub(in crate::page) fn begin_claim(
        &self,
        attempt: Attempt,
        is_unavailable: bool,
    ) -> Option<ClaimId> {
        let ownership = &mut self.lock().ownership;
        if !attempt.is_before(&ownership.attempt) {
            ownership.attempt = attempt;
        }
        if ownership.is_ours && (attempt.number.is_some() || is_unavailable) {
            return None;
        }
        ownership.last += 1;
        let number = ownership.last;
        ownership.pending.push(number);
        Some(ClaimId {
            stream: self.number,
            number,
        })
    }

    /// This server has read its own claim: it is newer than all before it.
    pub(in crate::page) fn claim_read(&self, claim: ClaimId) {
        let ownership = &mut self.lock().ownership;
        if claim.stream == self.number && ownership.take(claim) {
            ownership.is_ours = true;
            ownership.contested = None;
        }
    }

    /// Whether this server has read a claim of its own that has begun.
    pub(in crate::page) fn has_read(&self, claim: ClaimId) -> bool {
        !self.lock().ownership.pending.contains(&claim.number)
    }

    /// Gives up a claim, unless it was read. Returns the claim of another server that counts now.
    pub(in crate::page) fn end_claim(&self, claim: ClaimId) -> Option<Attempt> {
        let ownership = &mut self.lock().ownership;
        let is_last = ownership.take(claim) && ownership.pending.is_empty();
        is_last.then(|| ownership.contested.take()).flatten()
    }

    /// Another server has claimed the page, for this attempt. `are_other` compares the credentials of
    /// that with those of the page's handler.
    pub(in crate::page) fn contest(
        &self,
        by: &Attempt,
        are_other: impl FnOnce(&Credentials) -> bool,
    ) -> Contested {
        let mut state = self.lock();
        if state.keeps_page(are_other) {
            return Contested::Kept;
        }
        let ownership = &mut state.ownership;
        let own = &ownership.attempt;
        if own.is_before(by) {
            return Contested::Lost;
        }
        if ownership.pending.is_empty() {
            return if ownership.is_ours && by.is_before(own) {
                Contested::Won(*own)
            } else {
                Contested::Lost
            };
        }
        // What this server reads later is newer.
        ownership.contested = Some(*by);
        Contested::Undecided
    }

    /// Whether this server has the page, and keeps it from a client with other credentials; `None` if
    /// it does not have the page.
    pub(in crate::page) fn keeps_page(
        &self,
        are_other: impl FnOnce(&Credentials) -> bool,
    ) -> Option<bool> {
        let state = self.lock();
        let is_owned = state.ownership.is_ours && !state.ended;
        is_owned.then(|| state.keeps_page(are_other))
    }
}

impl Ownership {
    /// Whether the last attempt of a script is before this one.
    pub(super) fn is_before(&self, attempt: &Attempt) -> bool {
        self.attempt.is_before(attempt)
    }

    /// Removes a pending claim. Returns whether it was pending.
    fn take(&mut self, claim: ClaimId) -> bool {
        let place = self.pending.iter().position(|it| *it == claim.number);
        place.map(|place| self.pending.swap_remove(place)).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::new_stream;
    use super::*;
    use crate::close::Close;

    const fn attempt(client: u64, number: u64) -> Attempt {
        Attempt {
            client: Some(client),
            number: Some(number),
        }
    }

    fn contest(stream: &Stream, by: Attempt) -> Contested {
        stream.contest(&by, |_| unreachable!("it has no handler"))
    }

    #[tokio::test(start_paused = true)]
    async fn the_newest_attempt_of_a_script_wins_whatever_the_order_of_the_claims() {
        let stream = new_stream().await;
        stream.own();
        assert_eq!(stream.begin_claim(attempt(7, 1), false), None);
        assert_eq!(stream.begin_claim(attempt(7, 3), false), None);
        // A late handshake of an earlier attempt changes nothing.
        assert_eq!(stream.begin_claim(attempt(7, 1), false), None);
        let won = Contested::Won(attempt(7, 3));
        assert_eq!(contest(&stream, attempt(7, 2)), won);
        assert_eq!(contest(&stream, attempt(7, 4)), Contested::Lost);
        // Another script, or one that does not count, is newer in any case.
        assert_eq!(contest(&stream, attempt(8, 1)), Contested::Lost);
        assert_eq!(contest(&stream, Attempt::default()), Contested::Lost);
        // Scripts without a name cannot be told apart.
        let nameless = |number| Attempt {
            client: None,
            number: Some(number),
        };
        assert_eq!(stream.begin_claim(nameless(3), false), None);
        assert_eq!(contest(&stream, nameless(2)), Contested::Lost);
    }

    #[tokio::test(start_paused = true)]
    async fn a_claim_that_is_under_way_is_newer_than_one_that_was_read() {
        let stream = new_stream().await;
        let claim = stream.begin_claim(attempt(7, 2), true).unwrap();
        assert_eq!(contest(&stream, attempt(8, 9)), Contested::Undecided);
        assert_eq!(contest(&stream, attempt(7, 3)), Contested::Lost);
        stream.claim_read(claim);
        assert_eq!(stream.end_claim(claim), None, "it was newer");
        assert_eq!(
            contest(&stream, attempt(7, 1)),
            Contested::Won(attempt(7, 2))
        );
        // A script that does not count its connections needs a claim each time, if that is possible.
        let claim = stream.begin_claim(Attempt::default(), false).unwrap();
        stream.claim_read(claim);
        assert_eq!(stream.begin_claim(Attempt::default(), true), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_claim_counts_from_the_moment_in_which_it_is_read() {
        let stream = new_stream().await;
        let claim = stream.begin_claim(attempt(7, 2), false).unwrap();
        stream.claim_read(claim);
        // Its handshake has not continued yet.
        assert_eq!(contest(&stream, attempt(8, 1)), Contested::Lost);
        assert!(stream.has_read(claim));
        let of_another = ClaimId {
            stream: claim.stream + 1,
            number: 2,
        };
        let claim = stream.begin_claim(Attempt::default(), false).unwrap();
        stream.claim_read(of_another);
        assert!(!stream.has_read(claim));
    }

    #[tokio::test(start_paused = true)]
    async fn a_claim_that_was_undecided_counts_if_the_log_does_not_take_a_later_one() {
        let stream = new_stream().await;
        let [first, second] = [1, 2].map(|number| {
            let claim = stream.begin_claim(attempt(7, number), false);
            claim.unwrap()
        });
        assert_eq!(contest(&stream, attempt(8, 1)), Contested::Undecided);
        assert_eq!(stream.end_claim(first), None, "another one is under way");
        assert_eq!(stream.end_claim(second), Some(attempt(8, 1)));
        assert_eq!(stream.end_claim(second), None, "once");
    }

    #[tokio::test(start_paused = true)]
    async fn a_claim_that_was_undecided_does_not_count_after_an_own_one_was_read() {
        let stream = new_stream().await;
        let first = stream.begin_claim(attempt(7, 1), false).unwrap();
        assert_eq!(contest(&stream, attempt(8, 1)), Contested::Undecided);
        let second = stream.begin_claim(Attempt::default(), false).unwrap();
        stream.claim_read(first);
        assert_eq!(stream.end_claim(second), None, "the first one is newer");
    }

    #[tokio::test(start_paused = true)]
    async fn only_the_server_that_has_a_page_answers_for_it() {
        let stream = new_stream().await;
        let keeps = || stream.keeps_page(|_| unreachable!("it has no handler"));
        assert_eq!(keeps(), None);
        stream.own();
        assert_eq!(keeps(), Some(false));
        stream.end(&Close::GOING_AWAY);
        assert_eq!(keeps(), None);
    }
}
