//! The command that reads lanes, and the answers of those that read, open and count them.

use std::collections::HashMap;
use std::sync::Arc;

use ::redis::{Cmd, Value};
use bytes::Bytes;
use ws_core::log::shared::{Census, Opened, READ_WAIT, ReadFrom};
use ws_core::log::{EntryId, Generation, Lane};

use super::seals::{ENTRY, LANE, SEAL};

/// An entry as a stream has it; empty without the fields that this crate writes.
pub(super) struct StreamEntry {
    pub(super) id: EntryId,
    /// Of a relayed entry.
    pub(super) lane: Option<Lane>,
    pub(super) entry: Bytes,
    pub(super) seal: Option<Bytes>,
}

/// Whether a read waits for the first entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Wait {
    ForEntries,
    Never,
}

/// The command that reads new entries of lanes of one server, with the keys of their logs and that
/// of their relayed entries. The fewer keys, the less it costs Redis to wait for entries.
pub(super) fn xread(from: &[ReadFrom], keys: &[Arc<str>], most: usize, wait: Wait) -> Cmd {
    let mut command = ::redis::cmd("XREAD");
    command.arg("COUNT").arg(most);
    if wait == Wait::ForEntries {
        command.arg("BLOCK").arg(super::milliseconds(READ_WAIT));
    }
    command.arg("STREAMS");
    for key in keys {
        command.arg(&**key);
    }
    for from in from {
        command.arg(id_text(from.after));
    }
    // All lanes that are read have had everything up to the last one.
    let relayed = from.iter().map(|from| from.relayed_after).max();
    command.arg(id_text(relayed.unwrap_or(EntryId::ZERO)));
    command
}

/// The streams of an answer to `XREAD`, with the entries of each. Other fields of an entry, or an
/// entry without the field, come from another program: they are read as an empty entry, which the
/// log counts as foreign.
pub(super) fn streams(answer: Value) -> Option<HashMap<Vec<u8>, Vec<StreamEntry>>> {
    let streams = match answer {
        Value::Nil => return Some(HashMap::new()),
        Value::Map(streams) => streams,
        _ => return None,
    };
    let stream = |(key, entries)| {
        let (Value::BulkString(key), Value::Array(entries)) = (key, entries) else {
            return None;
        };
        let entries: Option<Vec<_>> = entries.into_iter().map(entry).collect();
        Some((key, entries?))
    };
    streams.into_iter().map(stream).collect()
}

fn entry(entry: Value) -> Option<StreamEntry> {
    let Value::Array(entry) = entry else {
        return None;
    };
    let [Value::BulkString(id), fields] = <[Value; 2]>::try_from(entry).ok()? else {
        return None;
    };
    let id = entry_id(&id)?;
    let fields = match fields {
        Value::Array(fields) => fields,
        _ => Vec::new(),
    };
    let text = |field| match field {
        Value::BulkString(text) => Bytes::from(text),
        _ => Bytes::new(),
    };
    let texts: Vec<Bytes> = fields.into_iter().map(text).collect();
    let (lane, texts) = match &texts[..] {
        [name, lane, texts @ ..] if name == LANE => (lane_of(lane), texts),
        texts => (None, texts),
    };
    let (entry, seal) = match texts {
        [name, entry] if name == ENTRY => (entry.clone(), None),
        [name, entry, seal_name, seal] if name == ENTRY && seal_name == SEAL => {
            (entry.clone(), Some(seal.clone()))
        }
        _ => (Bytes::new(), None),
    };
    Some(StreamEntry {
        id,
        lane,
        entry,
        seal,
    })
}

fn lane_of(text: &[u8]) -> Option<Lane> {
    std::str::from_utf8(text).ok()?.parse().ok().map(Lane)
}

/// Reads the answer of the script that opens a lane: the lane, and its last entry.
pub(super) fn opened(answer: &[String]) -> Option<(Opened, EntryId)> {
    let [generation, added, existing, first, last, relayed] = answer else {
        return None;
    };
    let generation = u64::from_str_radix(generation, 16).ok()?;
    let (added, existing): (u64, u64) = (added.parse().ok()?, existing.parse().ok()?);
    let first = entry_id(first.as_bytes())?;
    let last = entry_id(last.as_bytes())?;
    let removed = added.checked_sub(existing)?;
    let (start, added) = if existing == 0 {
        (last, added)
    } else if removed == 0 {
        // The first entry is the marker.
        (first, 1)
    } else {
        (before(first), removed)
    };
    let opened = Opened {
        generation: Generation(generation),
        start,
        added,
        relayed: entry_id(relayed.as_bytes())?,
    };
    Some((opened, last))
}

pub(super) fn census(answer: &[String]) -> Option<Census> {
    let [added, existing, last] = answer else {
        return None;
    };
    let (added, existing): (u64, u64) = (added.parse().ok()?, existing.parse().ok()?);
    Some(Census {
        added,
        removed: added.checked_sub(existing)?,
        last: entry_id(last.as_bytes())?,
    })
}

/// The last possible id before this one.
fn before(id: EntryId) -> EntryId {
    match id.sequence.checked_sub(1) {
        Some(sequence) => EntryId::new(id.time, sequence),
        None => EntryId::new(id.time.saturating_sub(1), u64::MAX),
    }
}

/// The text of the id of an entry.
pub(super) fn id_text(id: EntryId) -> String {
    format!("{}-{}", id.time, id.sequence)
}

/// Reads the id of an entry.
pub(super) fn entry_id(text: &[u8]) -> Option<EntryId> {
    let (time, sequence) = std::str::from_utf8(text).ok()?.split_once('-')?;
    Some(EntryId::new(time.parse().ok()?, sequence.parse().ok()?))
}
