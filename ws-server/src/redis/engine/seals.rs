//! Entries with a seal: only servers that have the secret can write them.

use ::redis::Cmd;
use bytes::Bytes;
use ws_core::log::{EntrySeals, Generation, Lane};
use ws_core::throttle::LogThrottle;

/// The fields of an entry in a stream: that of its lane, which only relayed ones have, the entry, and
/// its seal.
pub(super) const LANE: &str = "l";
pub(super) const ENTRY: &str = "e";
pub(super) const SEAL: &str = "s";

/// The place of an entry. In another place, its seal is not valid.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Place {
    Log(Lane, Generation),
    Relayed(Lane),
}

impl Place {
    fn bytes(self) -> [u8; 11] {
        let (kind, lane, generation) = match self {
            Self::Log(lane, generation) => (0, lane, generation.0),
            Self::Relayed(lane) => (1, lane, 0),
        };
        let mut bytes = [kind; 11];
        bytes[1..3].copy_from_slice(&lane.0.to_be_bytes());
        bytes[3..].copy_from_slice(&generation.to_be_bytes());
        bytes
    }
}

/// Makes and checks the seals of an engine, if it has any.
#[derive(Default)]
pub(super) struct Seals {
    seals: Option<EntrySeals>,
    /// Throttles the log lines about entries without a valid seal.
    skipped: LogThrottle,
}

impl Seals {
    pub(super) fn new(seals: EntrySeals) -> Self {
        Self {
            seals: Some(seals),
            skipped: LogThrottle::default(),
        }
    }

    pub(super) const fn are_used(&self) -> bool {
        self.seals.is_some()
    }

    /// The seal of an entry; empty if the engine makes none.
    pub(super) fn of(&self, place: Place, entry: &[u8]) -> Vec<u8> {
        let seals = self.seals.as_ref();
        let seal = seals.map(|seals| seals.seal(&place.bytes(), entry));
        seal.unwrap_or_default()
    }

    /// Adds the fields of an entry.
    pub(super) fn add(&self, command: &mut Cmd, place: Place, entry: &[u8]) {
        command.arg(ENTRY).arg(entry);
        if self.are_used() {
            command.arg(SEAL).arg(self.of(place, entry));
        }
    }

    /// The entry, or an empty one in place of one that another program has written: the log counts
    /// it as foreign.
    pub(super) fn check(&self, place: Place, entry: Bytes, seal: Option<&[u8]>) -> Bytes {
        let is_valid = match (&self.seals, seal) {
            (None, None) => true,
            (Some(seals), Some(seal)) => seals.is_valid(&place.bytes(), &entry, seal),
            _ => false,
        };
        if is_valid {
            return entry;
        }
        if let Some(count) = self.skipped.count() {
            tracing::warn!(
                count,
                "entries of the log without a valid seal were skipped; another program writes to \
                 Redis, or a server has other secrets"
            );
        }
        Bytes::new()
    }
}
