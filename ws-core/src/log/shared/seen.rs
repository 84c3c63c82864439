//! The entries that a node has read, by incarnation and number: finds repeated and lost ones.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use super::entry::Incarnation;
use crate::log::name::{Lane, Lanes};

/// Incarnations whose numbers are remembered, for each lane. Entries of others are refused.
pub(crate) const MAX_INCARNATIONS: usize = 4096;

/// What an entry is for this node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    New,
    /// A copy of an entry that was read before.
    Repeated,
    /// New, but entries before it are lost.
    BehindGap,
    /// There is no memory for one more incarnation, or it is one that was forgotten.
    Refused,
}

/// The last numbers of all incarnations. 16 bytes for each incarnation and lane.
///
/// Numbers outlive generations: an entry that is sent again to a server with an earlier snapshot is
/// still a repeated one.
#[derive(Debug)]
pub(super) struct Seen {
    lanes: Vec<LaneNumbers>,
    /// Whether every living incarnation is known. Before, the first entry of one may have any
    /// number.
    is_complete: bool,
    /// The number of the last read that has begun.
    round: u64,
    /// Incarnations that died within the age of the window, the oldest first; at most
    /// [`MAX_INCARNATIONS`].
    dead: VecDeque<(Incarnation, Instant)>,
    forgotten: Forgotten,
}

/// Incarnations whose numbers were forgotten after their death, at most [`MAX_INCARNATIONS`]: what
/// still arrives of them was reported as unconfirmed long ago.
#[derive(Default, Debug)]
struct Forgotten {
    all: HashSet<Incarnation>,
    by_age: VecDeque<Incarnation>,
}

impl Forgotten {
    fn add(&mut self, incarnation: Incarnation) {
        if self.all.insert(incarnation) {
            self.by_age.push_back(incarnation);
        }
        if self.by_age.len() > MAX_INCARNATIONS
            && let Some(oldest) = self.by_age.pop_front()
        {
            self.all.remove(&oldest);
        }
    }
}

#[derive(Default, Debug)]
struct LaneNumbers {
    last: HashMap<Incarnation, u64>,
    /// What heartbeats claim, until the lane was read far enough to check it.
    claims: HashMap<Incarnation, Claim>,
    was_drained: bool,
}

/// The log has accepted the entry of this number, so a read that begins now finds it.
#[derive(Clone, Copy, Debug)]
struct Claim {
    number: u64,
    /// The last read that has begun before the claim was known.
    round: u64,
}

impl LaneNumbers {
    /// Sets the last number of an incarnation. Returns `false` if there is no memory for it.
    fn set(&mut self, incarnation: Incarnation, number: u64) -> bool {
        if let Some(last) = self.last.get_mut(&incarnation) {
            *last = number.max(*last);
            return true;
        }
        let has_memory = self.last.len() < MAX_INCARNATIONS;
        if has_memory {
            self.last.insert(incarnation, number);
        }
        has_memory
    }
}

impl Seen {
    pub(super) fn new(lanes: Lanes) -> Self {
        Self {
            lanes: lanes.iter().map(|_| LaneNumbers::default()).collect(),
            is_complete: false,
            round: 0,
            dead: VecDeque::new(),
            forgotten: Forgotten::default(),
        }
    }

    /// Whether every living incarnation is known.
    pub(super) const fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// Judges an entry, and remembers its number.
    pub(super) fn entry(&mut self, lane: Lane, author: Incarnation, number: u64) -> Verdict {
        if self.forgotten.all.contains(&author) {
            return Verdict::Refused;
        }
        let is_complete = self.is_complete;
        let numbers = &mut self.lanes[lane.index()];
        let last = match numbers.last.get(&author) {
            Some(last) => *last,
            None if is_complete => 0,
            // Its earlier entries may be older than those that this node reads.
            None => number.saturating_sub(1),
        };
        if number <= last {
            return Verdict::Repeated;
        }
        if !numbers.set(author, number) {
            return Verdict::Refused;
        }
        if number == last + 1 {
            Verdict::New
        } else {
            Verdict::BehindGap
        }
    }

    /// Notes what a heartbeat claims: the last accepted number of each lane.
    pub(super) fn heartbeat(&mut self, author: Incarnation, accepted: &[u64]) {
        if self.forgotten.all.contains(&author) {
            return;
        }
        for (numbers, number) in self.lanes.iter_mut().zip(accepted) {
            let last = numbers.last.get(&author);
            if *number == 0 && last.is_none() {
                // It begins here: its first entry must have the number 1.
                numbers.set(author, 0);
            } else if last.is_none_or(|last| last < number) {
                let claim = Claim {
                    number: *number,
                    round: self.round,
                };
                let known = numbers.claims.len() < MAX_INCARNATIONS;
                if known || numbers.claims.contains_key(&author) {
                    numbers.claims.insert(author, claim);
                }
            }
        }
    }

    /// A read of all lanes begins: it finds what the heartbeats before it claim. Returns its number.
    pub(super) fn begin_read(&mut self) -> u64 {
        let is_read = |lane: &LaneNumbers| lane.was_drained && lane.claims.is_empty();
        self.is_complete |= self.lanes.iter().all(is_read);
        self.round += 1;
        self.round
    }

    /// A lane was read to its end, by the read of this number. Returns whether entries at its end
    /// are lost.
    #[must_use]
    pub(super) fn drained(&mut self, lane: Lane, round: u64) -> bool {
        let numbers = &mut self.lanes[lane.index()];
        numbers.was_drained = true;
        if numbers.claims.is_empty() {
            return false;
        }
        let mut is_lost = false;
        for (author, claim) in std::mem::take(&mut numbers.claims) {
            if claim.round >= round {
                numbers.claims.insert(author, claim);
                continue;
            }
            let last = numbers.last.get(&author);
            // If nothing of it was read, its entries are older than what this node reads.
            is_lost |= last.is_some_and(|last| *last < claim.number);
            numbers.set(author, claim.number);
        }
        is_lost
    }

    /// An incarnation is dead: it will append nothing more. Returns the number of others that were
    /// forgotten before their time, because there is no memory for one more.
    #[must_use]
    pub(super) fn died(&mut self, incarnation: Incarnation, now: Instant) -> u64 {
        if self.dead.iter().any(|(dead, _)| *dead == incarnation) {
            return 0;
        }
        self.dead.push_back((incarnation, now));
        if self.dead.len() <= MAX_INCARNATIONS {
            return 0;
        }
        // Its late entries are refused from now on, as they would be later.
        self.forget_oldest();
        1
    }

    /// Forgets the incarnations that died longer than `age` ago: their entries have left the
    /// window.
    pub(super) fn forget_dead(&mut self, age: Duration, now: Instant) {
        let is_over = |(_, died): &(Incarnation, Instant)| now.duration_since(*died) >= age;
        while self.dead.front().is_some_and(is_over) {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        let Some((incarnation, _)) = self.dead.pop_front() else {
            return;
        };
        self.forgotten.add(incarnation);
        for numbers in &mut self.lanes {
            numbers.last.remove(&incarnation);
            numbers.claims.remove(&incarnation);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Verdict::{BehindGap, New, Repeated};
    use super::*;

    const A: Incarnation = Incarnation(1);
    const B: Incarnation = Incarnation(2);
    const LANE: Lane = Lane(1);

    fn seen() -> Seen {
        Seen::new(Lanes::new(2).unwrap())
    }

    /// The last read reaches the end of the lane.
    fn read_to_end(seen: &mut Seen, lane: Lane) -> bool {
        seen.drained(lane, seen.round)
    }

    /// A node that has read every lane to its end.
    fn complete() -> Seen {
        let mut seen = seen();
        assert!(!read_to_end(&mut seen, Lane(0)) && !read_to_end(&mut seen, Lane(1)));
        seen.begin_read();
        seen
    }

    #[test]
    fn repeated_and_lost_entries_are_found() {
        let mut seen = complete();
        let numbers = [1, 2, 2, 1, 3, 5, 4, 6];
        let verdicts = numbers.map(|number| seen.entry(LANE, A, number));
        let expected = [New, New, Repeated, Repeated, New, BehindGap, Repeated, New];
        assert_eq!(verdicts, expected);
        assert_eq!(seen.entry(Lane(0), A, 1), New, "each lane counts by itself");
    }

    #[test]
    fn the_first_number_is_1_unless_this_node_started_later() {
        assert_eq!(seen().entry(LANE, A, 7), Verdict::New);
        assert_eq!(complete().entry(LANE, A, 7), Verdict::BehindGap);
        assert_eq!(complete().entry(LANE, A, 1), Verdict::New);
    }

    #[test]
    fn a_heartbeat_reveals_that_the_last_entry_is_lost() {
        let mut seen = complete();
        seen.entry(LANE, A, 1);
        seen.heartbeat(A, &[0, 2]);
        assert!(
            !read_to_end(&mut seen, LANE),
            "the read began before the heartbeat"
        );
        seen.begin_read();
        assert!(read_to_end(&mut seen, LANE));
        assert!(!read_to_end(&mut seen, LANE));
        assert_eq!(seen.entry(LANE, A, 3), Verdict::New);
    }

    #[test]
    fn the_late_answer_to_a_former_read_settles_only_what_was_known_when_it_began() {
        let mut seen = complete();
        seen.entry(LANE, A, 1);
        let late = seen.begin_read();
        seen.heartbeat(A, &[0, 2]);
        let next = seen.begin_read();
        seen.begin_read();
        assert!(!seen.drained(LANE, late), "the entry is perhaps behind it");
        assert!(seen.drained(LANE, next));
    }

    #[test]
    fn a_heartbeat_reveals_nothing_if_the_entry_was_only_late() {
        let mut seen = complete();
        seen.heartbeat(A, &[0, 1]);
        seen.begin_read();
        assert_eq!(seen.entry(LANE, A, 1), Verdict::New);
        assert!(!read_to_end(&mut seen, LANE));
    }

    #[test]
    fn a_node_that_starts_later_learns_the_numbers_of_heartbeats() {
        let mut seen = seen();
        seen.heartbeat(A, &[3, 7]);
        seen.heartbeat(B, &[0, 0]);
        assert!(!read_to_end(&mut seen, Lane(0)) && !read_to_end(&mut seen, LANE));
        seen.begin_read();
        assert!(!seen.is_complete, "the claims were not due before");
        assert!(!read_to_end(&mut seen, Lane(0)) && !read_to_end(&mut seen, LANE));
        seen.begin_read();
        assert!(seen.is_complete);
        assert_eq!(seen.entry(LANE, A, 8), Verdict::New);
        assert_eq!(seen.entry(LANE, B, 2), Verdict::BehindGap);
    }

    #[test]
    fn the_memory_is_bounded_and_freed_by_deaths() {
        let mut seen = complete();
        let now = Instant::now();
        for number in 0..MAX_INCARNATIONS as u64 {
            assert_eq!(seen.entry(LANE, Incarnation(10 + number), 1), Verdict::New);
        }
        assert_eq!(seen.entry(LANE, A, 1), Verdict::Refused);
        assert_eq!(seen.entry(LANE, Incarnation(10), 2), Verdict::New);
        assert_eq!(seen.died(Incarnation(11), now), 0);
        let age = Duration::from_secs(180);
        seen.forget_dead(age, now + age / 2);
        assert_eq!(seen.entry(LANE, A, 1), Verdict::Refused);
        assert_eq!(seen.entry(LANE, Incarnation(11), 1), Verdict::Repeated);
        seen.forget_dead(age, now + age);
        assert_eq!(seen.entry(LANE, A, 1), Verdict::New);
        // Its late entry has an old number: it must not look like a gap.
        assert_eq!(seen.entry(LANE, Incarnation(11), 7), Verdict::Refused);
    }

    #[test]
    fn a_forgotten_incarnation_takes_no_memory_again() {
        let (mut seen, now, age) = (complete(), Instant::now(), Duration::from_secs(180));
        assert_eq!(seen.entry(LANE, A, 1), Verdict::New);
        seen.heartbeat(A, &[0, 5]);
        assert_eq!(seen.died(A, now), 0);
        seen.forget_dead(age, now + age);
        let is_empty = |seen: &Seen| {
            let mut lanes = seen.lanes.iter();
            lanes.all(|it| it.last.is_empty() && it.claims.is_empty())
        };
        assert!(is_empty(&seen));
        seen.heartbeat(A, &[0, 6]);
        assert_eq!(seen.entry(LANE, A, 2), Verdict::Refused);
        assert!(is_empty(&seen));
    }

    #[test]
    fn a_flood_of_forged_claims_takes_bounded_memory() {
        let mut seen = complete();
        for number in 0..2 * MAX_INCARNATIONS as u64 {
            seen.heartbeat(Incarnation(10 + number), &[7, 7]);
        }
        let claims = |seen: &Seen| [0, 1].map(|lane: usize| seen.lanes[lane].claims.len());
        assert_eq!(claims(&seen), [MAX_INCARNATIONS; 2]);
        // Those that are known can be replaced.
        seen.heartbeat(Incarnation(10), &[8, 8]);
        assert_eq!(seen.lanes[0].claims[&Incarnation(10)].number, 8);
        assert_eq!(claims(&seen), [MAX_INCARNATIONS; 2]);
    }

    #[test]
    fn a_flood_of_forged_deaths_takes_bounded_memory_and_is_counted() {
        let mut seen = complete();
        let now = Instant::now();
        assert_eq!(seen.entry(LANE, A, 1), Verdict::New);
        assert_eq!(seen.died(A, now), 0);
        let forged = |number| Incarnation(10 + number as u64);
        let dropped: u64 = (0..3 * MAX_INCARNATIONS)
            .map(|number| seen.died(forged(number), now))
            .sum();
        assert_eq!(dropped, 1 + 2 * MAX_INCARNATIONS as u64);
        assert_eq!(seen.dead.len(), MAX_INCARNATIONS);
        assert_eq!(seen.forgotten.all.len(), MAX_INCARNATIONS);
        // The numbers of living ones are kept.
        assert_eq!(seen.entry(LANE, B, 1), Verdict::New);
        assert_eq!(seen.entry(LANE, B, 1), Verdict::Repeated);
    }
}
