//! The task of a node that reads the lanes.

use std::pin::pin;
use std::sync::{Arc, PoisonError};

use futures::future::{Either, join_all, select};
use tokio::time::{Instant, sleep};

use super::NodeShared;
use super::reopening::{Answer, Reopening};
use crate::log::name::Lane;
use crate::log::shared::backoff::Backoff;
use crate::log::shared::engine::{EngineError, LaneRead, READ_ENTRIES};
use crate::log::shared::entry::{Incarnation, Record};
use crate::log::shared::follow::Follower;

impl NodeShared {
    pub(super) async fn read_lanes(self: Arc<Self>) {
        let mut follower = Follower::new(self.options.lanes, self.options.versions.to);
        let mut backoff = Backoff::new(self.options.incarnation);
        self.load_members(&mut backoff).await;
        loop {
            let all = self.options.lanes.iter().collect();
            let error = match self.open(&mut follower, all).await {
                Ok(()) => self.read(&mut follower, &mut backoff).await,
                Err(error) => error,
            };
            self.note_unusable(&error);
            tracing::warn!(%error, "the log cannot be read; connecting again");
            sleep(backoff.next()).await;
        }
    }

    /// Loads the members before anything is read: changes that were read are newer.
    async fn load_members(&self, backoff: &mut Backoff) {
        loop {
            match self.engine.all_members().await {
                Ok(members) => {
                    let nodes = members.iter().map(|member| member.node);
                    for node in nodes.filter(|node| *node != Incarnation::NONE) {
                        self.note_node(node);
                    }
                    self.apply.load_members(members);
                    return;
                }
                Err(error) => {
                    self.note_unusable(&error);
                    tracing::warn!(%error, "the members cannot be loaded; trying again");
                    sleep(backoff.next()).await;
                }
            }
        }
    }

    /// Opens these lanes: those of one server must not wait for those of another. Fails if none can
    /// be opened.
    async fn open(
        self: &Arc<Self>,
        follower: &mut Follower,
        lanes: Vec<Lane>,
    ) -> Result<(), EngineError> {
        let all = join_all(lanes.iter().map(|lane| self.engine.open(*lane))).await;
        let (mut is_any_open, mut failed) = (false, None);
        for answer in lanes.into_iter().zip(all) {
            match self.opened(follower, answer) {
                Ok(()) => is_any_open = true,
                Err(error) => failed = Some(error),
            }
        }
        match failed {
            Some(error) if !is_any_open => Err(error),
            _ => Ok(()),
        }
    }

    /// Handles the answer to the opening of a lane.
    fn opened(
        self: &Arc<Self>,
        follower: &mut Follower,
        (lane, opened): Answer,
    ) -> Result<(), EngineError> {
        let opened = opened.inspect_err(|error| self.note_unusable(error))?;
        follower.opened(lane, &opened, &mut |event| self.apply(&event));
        // Entries may wait for the new generation.
        self.lane(lane).queued.notify_one();
        Ok(())
    }

    /// Reports an error that only an operator can correct. A node that was ready waits for that.
    fn note_unusable(&self, error: &EngineError) {
        if matches!(error, EngineError::Misconfigured(_)) && !*self.is_ready.borrow() {
            self.unusable.send_replace(Some(error.clone()));
        }
    }

    /// The lanes that were not read.
    fn missing(&self, reads: &[LaneRead]) -> Vec<Lane> {
        let lanes = self.options.lanes.iter();
        let is_missing = |lane: &Lane| reads.iter().all(|read| read.lane != *lane);
        lanes.filter(is_missing).collect()
    }

    /// Reads until an error. The lanes that an engine leaves out are opened again meanwhile, so that
    /// the others need not wait for a server that does not answer.
    async fn read(self: &Arc<Self>, follower: &mut Follower, backoff: &mut Backoff) -> EngineError {
        let mut reopening = Reopening::default();
        loop {
            let from = follower.begin_read();
            if follower.is_caught_up() {
                let is_new = |ready: &mut bool| !std::mem::replace(ready, true);
                if self.is_ready.send_if_modified(is_new) {
                    // An operator has corrected it.
                    self.unusable.send_replace(None);
                }
            }
            let read = self.engine.read(&from, READ_ENTRIES);
            let answer = match select(pin!(reopening.next()), read).await {
                Either::Left((opened, _)) => {
                    if let Err(error) = self.opened(follower, opened) {
                        tracing::debug!(%error, "a lane of the log cannot be opened");
                    }
                    // What was not read yet is read with that lane.
                    continue;
                }
                Either::Right((reads, _)) => reads,
            };
            let reads = match answer {
                Ok(reads) => reads,
                Err(error) => return error,
            };
            backoff.reset();
            let missing = self.missing(&reads);
            // What must reach every node, such as the end of a session, is in this lane.
            let is_answer = |read: &LaneRead| read.is_end || !read.entries.is_empty();
            let mut control = reads.iter().filter(|read| read.lane == Lane::CONTROL);
            if control.any(is_answer) {
                self.outage.end(Instant::now());
            }
            self.apply_reads(follower, reads);
            reopening.open(self, &missing, Instant::now());
        }
    }

    fn apply_reads(self: &Arc<Self>, follower: &mut Follower, reads: Vec<LaneRead>) {
        for read in reads {
            let lane = read.lane;
            let is_end = read.is_end;
            let mut read = Some(read);
            self.apply.burst(&mut || {
                if let Some(read) = read.take() {
                    follower.apply(read, &mut |event| self.apply(&event));
                }
            });
            self.lane(lane).moved.notify_waiters();
            if is_end {
                self.lane(lane).was_read(Instant::now());
            }
            if lane == Lane::CONTROL && is_end && *self.is_ready.borrow() {
                self.expect_heartbeats();
            }
        }
        self.note_skipped(follower);
        let now = Instant::now();
        let deaths = std::mem::take(&mut *self.deaths());
        for dead in &deaths {
            follower.died(*dead, now);
        }
        if !deaths.is_empty() {
            let this = self.clone();
            tokio::spawn(async move {
                for dead in deaths {
                    // Any node may remove them, so none needs to succeed.
                    let _ = this.engine.remove_members(dead).await;
                }
            });
        }
        follower.forget_dead(self.options.window.age, now);
        for lane in self.options.lanes.iter() {
            if self.lane(lane).take_announcement() {
                self.push_member(lane, Record::Cleared);
                self.apply.announce(lane);
            }
        }
    }

    /// From now on, nodes that have members are dead without heartbeats. Not before all heartbeats
    /// of the log were read: those of other nodes may be older than the node.
    fn expect_heartbeats(&self) {
        let noted = std::mem::take(&mut *self.noted_nodes());
        let mut liveness = self.liveness();
        for node in noted {
            if !liveness.note(node) {
                self.unreadable.add();
            }
        }
    }

    fn note_skipped(&self, follower: &Follower) {
        let mut skipped = self.skipped.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *skipped, follower.skipped());
        let more = skipped.unread() - before.unread();
        drop(skipped);
        if more > 0 {
            self.unreadable.report(more);
        }
    }
}
