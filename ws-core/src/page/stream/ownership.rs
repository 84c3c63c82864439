//! Which server a page is connected to, if several share a log: the newest claim in the log counts.

use serde::{Deserialize, Serialize};

use super::Stream;

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

/// The claims of this server to a page.
#[derive(Default, Debug)]
pub(super) struct Ownership {
    /// This server has issued the page, or has read its own claim.
    is_ours: bool,
    /// Claims that this server has logged, but not read.
    pending: usize,
    /// The last attempt to which they belong.
    attempt: Attempt,
}

/// What a claim of another server means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::page) enum Contested {
    /// The page is connected there.
    Lost,
    /// It belongs to an earlier attempt of the page, which is connected here: the other servers must
    /// learn that.
    Won(Attempt),
    /// This server has logged a later claim.
    Undecided,
}

impl Stream {
    /// This server has issued the page, so no other one knows it.
    pub(in crate::page) fn own(&self) {
        self.lock().ownership.is_ours = true;
    }

    /// Begins to attach a connection. Returns whether the other servers must learn of it first: not
    /// if the page is here already, and the number of the attempt shows which of several claims is
    /// the newest, or if `is_unavailable`: nobody can learn anything.
    pub(in crate::page) fn begin_claim(&self, attempt: Attempt, is_unavailable: bool) -> bool {
        let ownership = &mut self.lock().ownership;
        if !attempt.is_before(&ownership.attempt) {
            ownership.attempt = attempt;
        }
        if ownership.is_ours && (attempt.number.is_some() || is_unavailable) {
            return false;
        }
        ownership.pending += 1;
        true
    }

    /// Ends the claim that has begun; `is_read` if this server has read it.
    pub(in crate::page) fn end_claim(&self, is_read: bool) {
        let ownership = &mut self.lock().ownership;
        ownership.pending -= 1;
        ownership.is_ours |= is_read;
    }

    /// Another server has claimed the page, for this attempt.
    pub(in crate::page) fn contest(&self, by: &Attempt) -> Contested {
        let ownership = &self.lock().ownership;
        let own = &ownership.attempt;
        if own.is_before(by) {
            return Contested::Lost;
        }
        match ownership.pending {
            0 if ownership.is_ours && by.is_before(own) => Contested::Won(*own),
            0 => Contested::Lost,
            // What this server reads later is newer.
            _ => Contested::Undecided,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::new_stream;
    use super::*;

    const fn attempt(client: u64, number: u64) -> Attempt {
        Attempt {
            client: Some(client),
            number: Some(number),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_newest_attempt_of_a_script_wins_whatever_the_order_of_the_claims() {
        let stream = new_stream().await;
        stream.own();
        assert!(!stream.begin_claim(attempt(7, 1), false));
        assert!(!stream.begin_claim(attempt(7, 3), false));
        let won = Contested::Won(attempt(7, 3));
        assert_eq!(stream.contest(&attempt(7, 2)), won);
        assert_eq!(stream.contest(&attempt(7, 4)), Contested::Lost);
        // Another script, or one that does not count, is newer in any case.
        assert_eq!(stream.contest(&attempt(8, 1)), Contested::Lost);
        assert_eq!(stream.contest(&Attempt::default()), Contested::Lost);
    }

    #[tokio::test(start_paused = true)]
    async fn a_claim_that_is_under_way_is_newer_than_one_that_was_read() {
        let stream = new_stream().await;
        assert!(stream.begin_claim(attempt(7, 2), true));
        assert_eq!(stream.contest(&attempt(8, 9)), Contested::Undecided);
        assert_eq!(stream.contest(&attempt(7, 3)), Contested::Lost);
        stream.end_claim(false);
        assert_eq!(stream.contest(&attempt(7, 1)), Contested::Lost);
        assert!(stream.begin_claim(Attempt::default(), false));
        stream.end_claim(true);
        // A script that does not count its connections needs a claim each time, if that is possible.
        assert!(stream.begin_claim(Attempt::default(), false));
        stream.end_claim(true);
        assert!(!stream.begin_claim(Attempt::default(), true));
    }
}
