//! What clients must have received, from what was published and accepted.

use std::collections::{HashMap, HashSet};

use tokio::time::Instant;
use ws_server::topic::{Position, PublishError};

/// A message, with the number of its place in the list as text.
pub(super) struct Published {
    pub(super) room: u64,
    /// The node that has published it.
    pub(super) node: usize,
    pub(super) at: Instant,
    pub(super) outcome: Outcome,
    /// When the log has lost it.
    pub(super) lost: Option<Instant>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Outcome {
    Unknown,
    Accepted,
    /// It was certainly not sent.
    Refused,
    Unconfirmed,
}

impl Outcome {
    pub(super) fn of(result: &Result<Position, PublishError>) -> Self {
        match result {
            Ok(_) => Self::Accepted,
            Err(PublishError::Unconfirmed) => Self::Unconfirmed,
            Err(_) => Self::Refused,
        }
    }
}

/// What a client has received without notice of a gap.
#[derive(Debug)]
pub(super) struct Chain {
    room: u64,
    since: Instant,
    /// When the client has come to its node.
    pub(super) attached: Instant,
    pub(super) received: Vec<usize>,
}

impl Chain {
    pub(super) fn new(room: u64, since: Instant) -> Self {
        Self {
            room,
            since,
            attached: since,
            received: Vec::new(),
        }
    }
}

pub(super) struct Reference<'w> {
    pub(super) published: &'w [Published],
    pub(super) chains: Vec<&'w Chain>,
    /// Those of the clients that are connected.
    pub(super) open: Vec<&'w Chain>,
    /// When each node was killed or cut off last.
    pub(super) disturbed: &'w [Option<Instant>],
}

impl Reference<'_> {
    pub(super) fn check(&self) -> Result<(), String> {
        for chain in &self.chains {
            self.check_received(chain)?;
        }
        for chain in &self.open {
            self.check_complete(chain)?;
        }
        for (place, one) in self.chains.iter().enumerate() {
            for other in &self.chains[place + 1..] {
                check_order(one, other)?;
            }
        }
        Ok(())
    }

    /// Nothing was delivered twice, and nothing that was refused.
    fn check_received(&self, chain: &Chain) -> Result<(), String> {
        let mut received = HashSet::new();
        for id in &chain.received {
            let message = &self.published[*id];
            if !received.insert(id) {
                return Err(format!("message {id} was delivered twice: {chain:?}"));
            }
            if message.room != chain.room || message.outcome == Outcome::Refused {
                return Err(format!("message {id} was delivered to {chain:?}"));
            }
        }
        Ok(())
    }

    /// Nothing is missing.
    fn check_complete(&self, chain: &Chain) -> Result<(), String> {
        let received: HashSet<usize> = chain.received.iter().copied().collect();
        for (id, message) in self.published.iter().enumerate() {
            // If its author is dead, or has another name since, there is no trace of it. A client that
            // has come later may be at a node that did not know it either.
            let is_unknown = message.lost.is_some_and(|lost| {
                self.disturbed[message.node].is_some_and(|at| at > message.at)
                    || chain.attached > lost
            });
            let is_required = message.room == chain.room
                && message.outcome == Outcome::Accepted
                && message.at >= chain.since
                && !is_unknown;
            if is_required && !received.contains(&id) {
                return Err(format!("message {id} is missing in {chain:?}"));
            }
        }
        Ok(())
    }
}

/// All clients of a room have the messages in one order.
fn check_order(one: &Chain, other: &Chain) -> Result<(), String> {
    let places = other.received.iter().enumerate();
    let places: HashMap<usize, usize> = places.map(|(place, id)| (*id, place)).collect();
    let common = one.received.iter().filter_map(|id| places.get(id));
    if common.is_sorted() {
        Ok(())
    } else {
        Err(format!("two orders: {one:?} and {other:?}"))
    }
}
