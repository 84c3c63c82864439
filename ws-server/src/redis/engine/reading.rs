//! Reads the lanes, and the answers of the commands for it.

use std::collections::HashMap;

use ::redis::{Cmd, Value};
use bytes::Bytes;
use ws_core::log::shared::{Census, EngineError, LaneRead, Opened, READ_WAIT, ReadFrom};
use ws_core::log::{EntryId, Generation};

use super::super::channel::Live;
use super::{Shared, scripts};

/// Entries with their ids, in order.
type Entries = Vec<(EntryId, Bytes)>;

impl Shared {
    /// Reads new entries of these lanes; waits for the first.
    pub(super) async fn read(
        &self,
        from: &[ReadFrom],
        most: usize,
    ) -> Result<Vec<LaneRead>, EngineError> {
        let channel = &self.redis.links.read;
        let live = channel.live().await.map_err(EngineError::from)?;
        let mut keys = Vec::new();
        for from in from {
            self.check_generation(from.lane, from.generation, &live)?;
            keys.push(self.keys.log(from.lane, from.generation));
        }
        keys.extend(from.iter().map(|from| self.keys.relayed(from.lane)));
        let mut command = ::redis::cmd("XREAD");
        command.arg("COUNT").arg(most);
        command.arg("BLOCK").arg(super::milliseconds(READ_WAIT));
        command.arg("STREAMS").arg(&keys);
        for from in from {
            command.arg(id_text(from.after));
        }
        for from in from {
            command.arg(id_text(from.relayed_after));
        }
        let answer = channel.send_on(&live, &command).await;
        let answer = answer.map_err(EngineError::from)?;
        let mut streams = streams(answer).ok_or_else(|| self.unexpected("XREAD"))?;
        let (logs, relayed) = keys.split_at(from.len());
        let mut reads = Vec::with_capacity(from.len());
        for ((from, log), relayed) in from.iter().zip(logs).zip(relayed) {
            let mut entries_of = |key: &String| streams.remove(key.as_bytes()).unwrap_or_default();
            reads.push(LaneRead {
                lane: from.lane,
                generation: from.generation,
                entries: entries_of(log),
                relayed: entries_of(relayed),
                census: None,
            });
        }
        self.count(&live, from, &mut reads, most).await?;
        Ok(reads)
    }

    /// Counts the entries of the lanes from which some may have been removed unread.
    async fn count(
        &self,
        live: &Live,
        from: &[ReadFrom],
        reads: &mut [LaneRead],
        most: usize,
    ) -> Result<(), EngineError> {
        let mut counted = Vec::new();
        for (from, read) in from.iter().zip(reads.iter_mut()) {
            let bytes = read.entries.iter().map(|(_, entry)| entry.len()).sum();
            let end = read.entries.last().map_or(from.after, |(id, _)| *id);
            let is_end = read.entries.len() < most;
            if self.states.read(from, end, bytes, is_end) {
                counted.push((read, is_end));
            }
        }
        if counted.is_empty() {
            return Ok(());
        }
        let arguments = |command: &mut Cmd| {
            command.arg(counted.len());
            for (read, _) in &counted {
                command.arg(self.keys.log(read.lane, read.generation));
            }
        };
        let channel = &self.redis.links.read;
        let answer = scripts::CENSUS.run_on(channel, live, arguments).await;
        let answer: Vec<Option<Vec<String>>> = answer.map_err(EngineError::from)?;
        if answer.len() != counted.len() {
            return Err(self.unexpected("XINFO"));
        }
        for ((read, is_end), answer) in counted.into_iter().zip(answer) {
            // The log of this generation is gone.
            let answer = answer.ok_or(EngineError::Generation)?;
            let census = census(&answer).ok_or_else(|| self.unexpected("XINFO"))?;
            read.census = Some(census);
            self.states.counted(read.lane, is_end);
        }
        Ok(())
    }
}

/// The streams of an answer to `XREAD`, with the entries of each. Other fields of an entry, or an
/// entry without the field, come from another program: they are read as an empty entry, which the
/// log counts as foreign.
fn streams(answer: Value) -> Option<HashMap<Vec<u8>, Entries>> {
    let streams = match answer {
        Value::Nil => return Some(HashMap::new()),
        Value::Map(streams) => streams,
        _ => return None,
    };
    let stream = |(key, entries)| {
        let (Value::BulkString(key), Value::Array(entries)) = (key, entries) else {
            return None;
        };
        let entries: Option<Entries> = entries.into_iter().map(entry).collect();
        Some((key, entries?))
    };
    streams.into_iter().map(stream).collect()
}

fn entry(entry: Value) -> Option<(EntryId, Bytes)> {
    let Value::Array(entry) = entry else {
        return None;
    };
    let [Value::BulkString(id), fields] = <[Value; 2]>::try_from(entry).ok()? else {
        return None;
    };
    let id = entry_id(&id)?;
    let Value::Array(fields) = fields else {
        return Some((id, Bytes::new()));
    };
    match <[Value; 2]>::try_from(fields) {
        Ok([Value::BulkString(name), Value::BulkString(entry)]) if name == b"e" => {
            Some((id, entry.into()))
        }
        _ => Some((id, Bytes::new())),
    }
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

fn census(answer: &[String]) -> Option<Census> {
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

fn id_text(id: EntryId) -> String {
    format!("{}-{}", id.time, id.sequence)
}

/// Reads the id of an entry.
pub(super) fn entry_id(text: &[u8]) -> Option<EntryId> {
    let (time, sequence) = std::str::from_utf8(text).ok()?.split_once('-')?;
    Some(EntryId::new(time.parse().ok()?, sequence.parse().ok()?))
}
