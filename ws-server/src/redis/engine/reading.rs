//! Reads the lanes, and the answers of the commands for it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ::redis::{Cmd, Value};
use bytes::Bytes;
use futures::future::join_all;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_util::task::AbortOnDropHandle;
use ws_core::log::shared::{Census, EngineError, LaneRead, Opened, READ_WAIT, ReadFrom};
use ws_core::log::{EntryId, Generation, Lane};

use super::super::Redis;
use super::super::channel::Live;
use super::seals::{ENTRY, LANE, Place, SEAL};
use super::{Shared, scripts, unexpected};

/// An entry as a stream has it; empty without the fields that this crate writes.
struct StreamEntry {
    id: EntryId,
    /// Of a relayed entry.
    lane: Option<Lane>,
    entry: Bytes,
    seal: Option<Bytes>,
}

/// Whether a server has just got another generation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum News {
    None,
    Generation,
}

/// Whether a read waits for the first entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Wait {
    ForEntries,
    Never,
}

/// A pause after a failed command, so that a loop of reads does not spin.
const PAUSE: Duration = Duration::from_millis(50);

/// How long the lanes of other servers wait for one that is slow to answer.
const PATIENCE: Duration = Duration::from_millis(500);

impl Shared {
    /// Reads new entries of these lanes; waits for the first.
    pub(super) async fn read(
        self: &Arc<Self>,
        from: &[ReadFrom],
        most: usize,
    ) -> Result<Vec<LaneRead>, EngineError> {
        let reads = if self.servers.count() == 1 {
            let redis = self.servers.first();
            self.read_server(redis, from, most, Wait::ForEntries)
                .await?
        } else {
            self.read_all(from, most).await?
        };
        self.note_counted(&reads, most);
        Ok(reads)
    }

    /// Reads new entries of the lanes of several servers; waits for the first.
    async fn read_all(
        self: &Arc<Self>,
        from: &[ReadFrom],
        most: usize,
    ) -> Result<Vec<LaneRead>, EngineError> {
        let deadline = Instant::now() + READ_WAIT;
        let mut by_server = vec![Vec::new(); self.servers.count()];
        for from in from {
            by_server[self.servers.index(from.lane)].push(*from);
        }
        loop {
            let (reads, news) = self.read_servers(&by_server, most).await?;
            let has_entries =
                |read: &LaneRead| !read.entries.is_empty() || !read.relayed.is_empty();
            let is_over = news == News::Generation || Instant::now() >= deadline;
            if is_over || reads.iter().any(has_entries) {
                return Ok(reads);
            }
            for (index, from) in by_server.iter().enumerate() {
                self.wait_for_entries(index, from);
            }
            // After the deadline, what there is then.
            let _ = timeout_at(deadline, self.servers.arrived.notified()).await;
        }
    }

    /// Reads what the servers have. Leaves out the lanes of those that do not answer in time, or have
    /// another generation, unless that are all.
    async fn read_servers(
        self: &Arc<Self>,
        by_server: &[Vec<ReadFrom>],
        most: usize,
    ) -> Result<(Vec<LaneRead>, News), EngineError> {
        let reads = by_server.iter().enumerate();
        let reads = reads.map(|(index, from)| self.read_in_time(index, from, most));
        let (mut all, mut news, mut failed) = (Vec::new(), News::None, None);
        for (index, read) in join_all(reads).await.into_iter().enumerate() {
            let waiter = self.servers.waiter(index);
            let failed_before = waiter.failed.swap(read.is_err(), Ordering::Relaxed);
            let is_replaced = matches!(read, Err(EngineError::Generation));
            let was_replaced = waiter.replaced.swap(is_replaced, Ordering::Relaxed);
            match read {
                Ok(reads) => all.extend(reads),
                Err(error) => {
                    if !failed_before {
                        tracing::warn!(%error, "some lanes of the log cannot be read");
                    }
                    // Only once: until its lanes are opened, the other lanes are waited for.
                    if error == EngineError::Generation && !was_replaced {
                        news = News::Generation;
                    }
                    failed = Some(error);
                }
            }
        }
        match failed {
            Some(error) if all.is_empty() => Err(error),
            _ => Ok((all, news)),
        }
    }

    /// Reads what a server has, if it answers in time. Else the command goes on, because its time-out
    /// shows that the connection is dead, and its answer is read again: until then the server is left
    /// out.
    async fn read_in_time(
        self: &Arc<Self>,
        index: usize,
        from: &[ReadFrom],
        most: usize,
    ) -> Result<Vec<LaneRead>, EngineError> {
        if from.is_empty() {
            return Ok(Vec::new());
        }
        let late = || EngineError::Unknown("a server is slow to answer".into());
        let waiter = self.servers.waiter(index).clone();
        let reading = waiter.begin_read().ok_or_else(late)?;
        let (this, from) = (self.clone(), from.to_vec());
        // The caller may also give up.
        let mut read = AbortOnDropHandle::new(tokio::spawn(async move {
            let _reading = reading;
            let redis = this.servers.of(from[0].lane);
            this.read_server(redis, &from, most, Wait::Never).await
        }));
        if let Ok(read) = timeout(PATIENCE, &mut read).await {
            return read.unwrap_or_else(|_| Err(late()));
        }
        read.detach();
        Err(late())
    }

    /// Notifies when a server has entries behind these, unless a command already waits for some.
    fn wait_for_entries(self: &Arc<Self>, index: usize, from: &[ReadFrom]) {
        let waiter = self.servers.waiter(index).clone();
        if from.is_empty() || !waiter.begin() {
            return;
        }
        let (this, from) = (self.clone(), from.to_vec());
        tokio::spawn(async move {
            let log = |from: &ReadFrom| this.keys.log(from.lane, from.generation).into();
            let mut keys: Vec<_> = from.iter().map(log).collect();
            keys.push(this.relayed(from[0].lane));
            let command = xread(&from, &keys, 1, Wait::ForEntries);
            let channel = &this.servers.of(from[0].lane).links.wait;
            if channel.send(&command).await.is_err() {
                sleep(PAUSE).await;
            }
            waiter.end();
            this.servers.arrived.notify_one();
        });
    }

    /// Reads new entries of lanes of one server.
    async fn read_server(
        &self,
        redis: &Redis,
        from: &[ReadFrom],
        most: usize,
        wait: Wait,
    ) -> Result<Vec<LaneRead>, EngineError> {
        if from.is_empty() {
            return Ok(Vec::new());
        }
        let channel = &redis.links.read;
        let live = channel.live().await.map_err(EngineError::from)?;
        let log = |from: &ReadFrom| self.log(from.lane, from.generation, &live);
        let mut keys = from.iter().map(log).collect::<Result<Vec<_>, _>>()?;
        keys.push(self.relayed(from[0].lane));
        let command = xread(from, &keys, most, wait);
        let answer = channel.send_on(&live, &command).await;
        let answer = answer.map_err(EngineError::from)?;
        let mut streams = streams(answer).ok_or_else(|| unexpected(redis, "XREAD"))?;
        let mut entries_of = |key: &Arc<str>| streams.remove(key.as_bytes()).unwrap_or_default();
        let mut reads = Vec::with_capacity(from.len());
        for (from, log) in from.iter().zip(&keys) {
            let entries = entries_of(log).into_iter();
            let place = Place::Log(from.lane, from.generation);
            reads.push(LaneRead {
                lane: from.lane,
                generation: from.generation,
                entries: entries.map(|entry| self.check(entry, place)).collect(),
                relayed: Vec::new(),
                census: None,
            });
        }
        let relayed = entries_of(&keys[from.len()]);
        self.add_relayed(&mut reads, relayed).await;
        self.count(redis, &live, from, &mut reads, most).await?;
        Ok(reads)
    }

    /// Adds relayed entries to the reads of their lanes.
    async fn add_relayed(&self, reads: &mut [LaneRead], relayed: Vec<StreamEntry>) {
        let mut is_skipped = false;
        for entry in relayed {
            // One of another program counts for the first lane.
            let lane = entry.lane.unwrap_or(reads[0].lane);
            match reads.iter_mut().find(|read| read.lane == lane) {
                Some(read) => read.relayed.push(self.check(entry, Place::Relayed(lane))),
                None => is_skipped = true,
            }
        }
        let is_empty = |read: &LaneRead| read.entries.is_empty() && read.relayed.is_empty();
        if is_skipped && reads.iter().all(is_empty) {
            // Their lane is not open. Until it is, the same read finds them again at once.
            sleep(PAUSE).await;
        }
    }

    fn check(&self, entry: StreamEntry, place: Place) -> (EntryId, Bytes) {
        let StreamEntry {
            id, entry, seal, ..
        } = entry;
        (id, self.seals.check(place, entry, seal.as_deref()))
    }

    /// Counts the entries of the lanes from which some may have been removed unread.
    async fn count(
        &self,
        redis: &Redis,
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
                counted.push(read);
            }
        }
        if counted.is_empty() {
            return Ok(());
        }
        let arguments = |command: &mut Cmd| {
            command.arg(counted.len());
            for read in &counted {
                command.arg(self.keys.log(read.lane, read.generation));
            }
        };
        let channel = &redis.links.read;
        let answer = scripts::CENSUS.run_on(channel, live, arguments).await;
        let answer: Vec<Option<Vec<String>>> = answer.map_err(EngineError::from)?;
        if answer.len() != counted.len() {
            return Err(unexpected(redis, "XINFO"));
        }
        for (read, answer) in counted.into_iter().zip(answer) {
            // The log of this generation is gone.
            let answer = answer.ok_or(EngineError::Generation)?;
            let census = census(&answer).ok_or_else(|| unexpected(redis, "XINFO"))?;
            read.census = Some(census);
        }
        Ok(())
    }

    /// Notes the counts that the node gets. One that it does not get is made again.
    fn note_counted(&self, reads: &[LaneRead], most: usize) {
        for read in reads {
            let Some(census) = read.census else {
                continue;
            };
            let end = read.entries.last().map_or(0, |(id, _)| id.time);
            let behind = census.last.time.saturating_sub(end);
            let is_end = read.entries.len() < most;
            self.states.counted(read.lane, is_end, behind);
        }
    }
}

/// The command that reads new entries of lanes of one server, with the keys of their logs and that
/// of their relayed entries. The fewer keys, the less it costs Redis to wait for entries.
fn xread(from: &[ReadFrom], keys: &[Arc<str>], most: usize, wait: Wait) -> Cmd {
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
fn streams(answer: Value) -> Option<HashMap<Vec<u8>, Vec<StreamEntry>>> {
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

/// The text of the id of an entry.
pub(super) fn id_text(id: EntryId) -> String {
    format!("{}-{}", id.time, id.sequence)
}

/// Reads the id of an entry.
pub(super) fn entry_id(text: &[u8]) -> Option<EntryId> {
    let (time, sequence) = std::str::from_utf8(text).ok()?.split_once('-')?;
    Some(EntryId::new(time.parse().ok()?, sequence.parse().ok()?))
}
