//! Reads the lanes.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use ::redis::Cmd;
use bytes::Bytes;
use futures::future::{join_all, select};
use tokio::time::{Instant, sleep, timeout_at};
use ws_core::log::EntryId;
use ws_core::log::shared::{EngineError, LaneRead, READ_WAIT, ReadFrom};

use super::super::Redis;
use super::super::channel::Live;
use super::answers::{StreamEntry, Wait, census, streams, xread};
use super::portion::Pace;
use super::seals::Place;
use super::waiter::{PATIENCE, ServerRead};
use super::{Shared, scripts, unexpected};

/// Whether a server has just got another generation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum News {
    None,
    Generation,
}

/// A pause after a failed command, so that a loop of reads does not spin.
const PAUSE: Duration = Duration::from_millis(50);

/// The lane of a server whose answer is late.
fn unanswered(from: &ReadFrom) -> LaneRead {
    LaneRead {
        lane: from.lane,
        generation: from.generation,
        entries: Vec::new(),
        relayed: Vec::new(),
        is_end: false,
        round: from.round,
        census: None,
    }
}

impl Shared {
    /// Reads new entries of these lanes; waits for the first.
    pub(super) async fn read(
        self: &Arc<Self>,
        from: &[ReadFrom],
        most: usize,
    ) -> Result<Vec<LaneRead>, EngineError> {
        let reads = if self.servers.count() == 1 {
            self.read_portion(0, from, most, Wait::ForEntries).await?
        } else {
            self.read_all(from, most).await?
        };
        self.note_counted(&reads);
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
            let arrived = pin!(self.servers.arrived.notified());
            let answered = pin!(self.servers.late_answer());
            // After the deadline, what there is then.
            let _ = timeout_at(deadline, select(arrived, answered)).await;
        }
    }

    /// Reads what the servers have. Leaves out the lanes of those that do not answer, or have another
    /// generation, unless that are all.
    async fn read_servers(
        self: &Arc<Self>,
        by_server: &[Vec<ReadFrom>],
        most: usize,
    ) -> Result<(Vec<LaneRead>, News), EngineError> {
        let reads = by_server.iter().enumerate();
        let reads = reads.map(|(index, from)| self.read_in_time(index, from, most));
        let (mut all, mut news, mut failed) = (Vec::new(), News::None, None);
        for (index, read) in join_all(reads).await.into_iter().enumerate() {
            let Some(read) = read else {
                all.extend(by_server[index].iter().map(unanswered));
                continue;
            };
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

    /// Reads what a server has, if it answers in time. Else the command goes on, and `None` is
    /// returned: a next call gets the answer.
    async fn read_in_time(
        self: &Arc<Self>,
        index: usize,
        from: &[ReadFrom],
        most: usize,
    ) -> Option<ServerRead> {
        if from.is_empty() {
            return Some(Ok(Vec::new()));
        }
        let waiter = self.servers.waiter(index);
        waiter.begin_read(from, || {
            let (this, from) = (self.clone(), from.to_vec());
            tokio::spawn(async move { this.read_portion(index, &from, most, Wait::Never).await })
        });
        waiter.answer(from).await
    }

    /// Reads new entries of lanes of one server: not more than what it has answered in time so far.
    async fn read_portion(
        &self,
        index: usize,
        from: &[ReadFrom],
        most: usize,
        wait: Wait,
    ) -> ServerRead {
        let waiter = self.servers.waiter(index);
        let (portion, begin) = (&waiter.portion, Instant::now());
        let read = self.read_server(from, portion.of(most), wait).await;
        let took = begin.elapsed();
        let in_time = match wait {
            Wait::ForEntries => READ_WAIT + PATIENCE,
            Wait::Never => PATIENCE,
        };
        waiter.set_slow(took >= in_time);
        match &read {
            Ok(reads) => {
                let lens = |read: &LaneRead| {
                    let all = read.entries.iter().chain(&read.relayed);
                    all.map(|(_, entry)| entry.len()).sum::<usize>()
                };
                let pace = match took {
                    took if took >= in_time => Pace::Late,
                    took if took < PATIENCE / 2 => Pace::Quick,
                    _ => Pace::Usual,
                };
                portion.answered(reads.iter().map(lens).sum(), pace);
            }
            Err(EngineError::Unknown(_)) => portion.halve(),
            Err(_) => {}
        }
        read
    }

    /// Notifies when a server has entries behind these, unless a command already waits for some.
    fn wait_for_entries(self: &Arc<Self>, index: usize, from: &[ReadFrom]) {
        let waiter = self.servers.waiter(index).clone();
        if from.is_empty() || waiter.is_reading() || !waiter.begin() {
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
    async fn read_server(&self, from: &[ReadFrom], most: usize, wait: Wait) -> ServerRead {
        let Some(first) = from.first() else {
            return Ok(Vec::new());
        };
        let redis = self.servers.of(first.lane);
        let channel = &redis.links.read;
        let live = channel.live().await.map_err(EngineError::from)?;
        let log = |from: &ReadFrom| self.log(from.lane, from.generation, &live);
        let mut keys = from.iter().map(log).collect::<Result<Vec<_>, _>>()?;
        keys.push(self.relayed(first.lane));
        let command = xread(from, &keys, most, wait);
        let answer = channel.send_on(&live, &command).await;
        let answer = answer.map_err(EngineError::from)?;
        let mut streams = streams(answer).ok_or_else(|| unexpected(redis, "XREAD"))?;
        let mut entries_of = |key: &Arc<str>| streams.remove(key.as_bytes()).unwrap_or_default();
        let mut reads = Vec::with_capacity(from.len());
        for (from, log) in from.iter().zip(&keys) {
            let entries = entries_of(log);
            let place = Place::Log(from.lane, from.generation);
            reads.push(LaneRead {
                lane: from.lane,
                generation: from.generation,
                is_end: entries.len() < most,
                round: from.round,
                entries: entries
                    .into_iter()
                    .map(|entry| self.check(entry, place))
                    .collect(),
                relayed: Vec::new(),
                census: None,
            });
        }
        let relayed = entries_of(&keys[from.len()]);
        self.add_relayed(&mut reads, relayed).await;
        self.count(redis, &live, from, &mut reads).await?;
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
    ) -> Result<(), EngineError> {
        let mut counted = Vec::new();
        for (from, read) in from.iter().zip(reads.iter_mut()) {
            let bytes = read.entries.iter().map(|(_, entry)| entry.len()).sum();
            let end = read.entries.last().map_or(from.after, |(id, _)| *id);
            if self.states.read(from, end, bytes, read.is_end) {
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
    fn note_counted(&self, reads: &[LaneRead]) {
        for read in reads {
            let Some(census) = read.census else {
                continue;
            };
            let end = read.entries.last().map_or(0, |(id, _)| id.time);
            let behind = census.last.time.saturating_sub(end);
            self.states.counted(read.lane, read.is_end, behind);
        }
    }
}
