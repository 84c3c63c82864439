//! What a node reports regularly.

use std::time::Duration;

use crate::log::codec::{Input, Malformed, put_number};
use crate::log::name::MAX_LANES;

/// The versions of entries that a node reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Versions {
    pub(crate) from: u8,
    pub(crate) to: u8,
}

/// What a node reports every few seconds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Heartbeat {
    pub(crate) versions: Versions,
    /// The number of the last accepted entry of each lane; 0 if there is none.
    pub(crate) accepted: Vec<u64>,
    /// The connections of the node.
    pub(crate) connections: u64,
    /// How long its previous heartbeat took, from the queue until the node has read it.
    pub(crate) lag: Duration,
}

impl Heartbeat {
    pub(super) fn put(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(&[self.versions.from, self.versions.to]);
        put_number(to, self.accepted.len() as u64);
        for number in &self.accepted {
            put_number(to, *number);
        }
        put_number(to, self.connections);
        let lag = u64::try_from(self.lag.as_millis()).unwrap_or(u64::MAX);
        put_number(to, lag);
    }

    pub(super) fn get(input: &mut Input) -> Result<Self, Malformed> {
        let [from, to] = input.array()?;
        let count = input.size(MAX_LANES.into())?;
        let accepted = (0..count).map(|_| input.number());
        let accepted = accepted.collect::<Result<_, _>>()?;
        let connections = input.number()?;
        let lag = Duration::from_millis(input.number()?);
        // Later versions may report more.
        input.rest();
        Ok(Self {
            versions: Versions { from, to },
            accepted,
            connections,
            lag,
        })
    }
}
