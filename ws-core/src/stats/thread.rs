//! The counters that one thread holds: a shard for each route whose connections it polls.

#![expect(
    clippy::inline_always,
    reason = "called for each message of a burst; the compiler does not inline it by itself"
)]

use std::sync::Arc;

use super::counters::RouteCounters;
use super::shard::{HeldShard, MessageKind};

/// Whether the hooks of a poll are measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Sampling {
    /// Those that end within the poll; each counts for many.
    Sampled,
    Skipped,
}

/// The number of routes whose shards a thread holds at the same time, besides the current one.
const KEPT: usize = 32;

/// The shards that one thread holds.
#[derive(Debug)]
pub(crate) struct ThreadCounters {
    /// That of the route of the current connection.
    current: HeldShard,
    kept: [Option<HeldShard>; KEPT],
    polls: u8,
}

impl Default for ThreadCounters {
    fn default() -> Self {
        Self {
            // No route has the number 0.
            current: HeldShard {
                route: 0,
                shard: Arc::default(),
            },
            kept: [const { None }; KEPT],
            polls: 0,
        }
    }
}

impl ThreadCounters {
    /// Whether the hooks of the next poll are measured: those of one poll in
    /// [`SAMPLE`](Self::SAMPLE).
    #[inline(always)]
    pub(crate) fn next_sampling(&mut self) -> Sampling {
        self.polls = self.polls.wrapping_add(1);
        if u32::from(self.polls).is_multiple_of(Self::SAMPLE) {
            Sampling::Sampled
        } else {
            Sampling::Skipped
        }
    }

    /// Plain hooks are measured in one poll of this many.
    pub(crate) const SAMPLE: u32 = 64;

    /// Counts for this route from now on.
    #[inline(always)]
    pub(crate) fn select(&mut self, route: &RouteCounters) {
        if self.current.route != route.id() {
            self.switch(route);
        }
    }

    #[inline(never)]
    fn switch(&mut self, route: &RouteCounters) {
        let next = self.kept[Self::place(route.id())].take();
        let next = next.filter(|held| held.route == route.id());
        let next = next.unwrap_or_else(|| HeldShard {
            route: route.id(),
            shard: route.take_shard(),
        });
        let last = std::mem::replace(&mut self.current, next);
        if last.route != 0 {
            let place = Self::place(last.route);
            self.kept[place] = Some(last);
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "the result is below `KEPT`"
    )]
    const fn place(route: u64) -> usize {
        (route % KEPT as u64) as usize
    }

    /// Counts a message of the client.
    #[inline(always)]
    pub(crate) fn count_received(&self, kind: MessageKind) {
        self.current.shard.count_received(kind);
    }

    /// Counts a message to the client.
    #[inline(always)]
    pub(crate) fn count_sent(&self, kind: MessageKind) {
        self.current.shard.count_sent(kind);
    }

    /// Counts bytes of the client, as they arrived.
    #[inline(always)]
    pub(crate) fn count_bytes_received(&self, bytes: usize) {
        self.current.shard.count_bytes_received(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_count_apart_and_continue_with_shards_that_were_given_up() {
        let routes: Vec<_> = (0..KEPT + 8)
            .map(|number| RouteCounters::new(format!("/{number}")))
            .collect();
        for _ in 0..2 {
            let (mut first, mut second) = (ThreadCounters::default(), ThreadCounters::default());
            for route in routes.iter().chain(&routes) {
                for thread in [&mut first, &mut second] {
                    thread.select(route);
                    thread.count_received(MessageKind::Text);
                    thread.count_sent(MessageKind::Binary);
                    thread.count_bytes_received(10);
                }
            }
        }
        for route in &routes {
            let totals = route.shard_totals();
            assert_eq!((totals.received, totals.sent), ([8, 0], [0, 8]));
            assert_eq!((totals.bytes_received, route.shard_count()), (80, 2));
        }
    }

    #[test]
    fn one_poll_of_64_is_sampled() {
        let mut counters = ThreadCounters::default();
        let polls = (0..640).map(|_| counters.next_sampling());
        let sampled = polls.filter(|poll| *poll == Sampling::Sampled).count();
        assert_eq!(sampled, 10);
    }
}
