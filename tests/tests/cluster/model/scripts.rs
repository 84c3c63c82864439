//! Faults at the one moment at which they matter, each in a room of its own.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use ws_server::cluster::Lane;
use ws_server::testkit::Restart;

use super::{Mode, NODES, World};
use crate::rooms::Command;

/// Longer than a few commands to the log take, shorter than the time between two heartbeats.
const SOON: Duration = Duration::from_millis(100);

/// A node that was cut off for less than half of this is connected again.
const RECONNECTED: Duration = Duration::from_secs(1);

/// After this, the other nodes have taken one that is cut off for dead.
const DEATH: Duration = Duration::from_secs(17);

/// The nodes of a script, in random order.
struct Roles {
    author: usize,
    other: usize,
    reader: usize,
}

impl World {
    /// Runs a script between two comparisons.
    pub(super) async fn run_script(&mut self) -> Result<(), String> {
        self.calm().await?;
        let count = self.clients.len();
        let author = self.random.below(NODES);
        let other = (author + 1 + self.random.below(NODES - 1)) % NODES;
        let roles = Roles {
            author,
            other,
            reader: NODES - author - other,
        };
        self.script_room += 1;
        match (self.mode, self.random.below(4)) {
            (_, 0) => self.wait_with_a_replay().await,
            (Mode::Lossless, _) => self.repeat(&roles).await,
            (Mode::Restarting, _) => self.repeat_into_a_new_generation(&roles).await?,
            (Mode::Trimming, 1) if self.random.below(2) == 0 => self.trim_and_kill(&roles).await,
            (Mode::Trimming, 1) => self.trim_and_move(&roles).await,
            (Mode::Trimming, 2) => self.trim_the_first_copy(&roles).await,
            (Mode::Trimming, _) => self.forget_a_death(&roles).await,
            (Mode::Losing, chosen) => self.lose_the_last(&roles, chosen == 1).await,
        }
        let outcome = self.calm().await;
        self.keep_clients(count).await;
        outcome
    }

    /// A client begins with a replay at a node that cannot load it, while messages are published.
    async fn wait_with_a_replay(&mut self) {
        let (node, room) = (self.random.below(NODES), self.script_room);
        self.cut(node);
        let replay = Command::Replay(room, 1 + self.random.below(5));
        self.join_with(node, room, &replay).await;
        for _ in 0..=self.random.below(6) {
            let other = (node + 1 + self.random.below(NODES - 1)) % NODES;
            self.publish_in(other, room);
            sleep(SOON).await;
        }
        self.cluster.heal(node);
    }

    /// The author cannot know that the log has its message.
    async fn publish_without_answer(&mut self, author: usize) {
        self.cluster.cut_in_next_append(author);
        self.publish_in(author, self.script_room);
        self.disturbed[author] = Some(Instant::now());
        sleep(SOON).await;
    }

    async fn repeat(&mut self, roles: &Roles) {
        let room = self.script_room;
        for node in 0..NODES {
            self.join_with(node, room, &Command::Subscribe(room)).await;
        }
        self.publish_without_answer(roles.author).await;
        self.cluster.heal(roles.author);
    }

    /// The log restarts with a message that its author has not read, or without it. Clients that come
    /// before the author sends it again get the message once, and keep their connections.
    async fn repeat_into_a_new_generation(&mut self, roles: &Roles) -> Result<(), String> {
        let room = self.script_room;
        self.cluster.server().save();
        self.cut(roles.reader);
        self.publish_without_answer(roles.author).await;
        let state = match self.random.below(3) {
            0 => Restart::Saved,
            _ => Restart::Current,
        };
        self.cluster.server().restart(state);
        self.cluster.heal(roles.reader);
        sleep(RECONNECTED).await;
        let first = self.clients.len();
        for node in [roles.reader, roles.other] {
            self.join_with(node, room, &Command::Replay(room, 5)).await;
        }
        self.cluster.heal(roles.author);
        self.cluster.settle().await;
        self.join_with(roles.author, room, &Command::Replay(room, 5))
            .await;
        self.cluster.settle().await;
        self.read_all().await;
        match (first..)
            .zip(&self.clients[first..])
            .find(|it| it.1.connection.is_none())
        {
            Some((client, _)) => Err(format!("client {client} was disconnected without a reason")),
            None => Ok(()),
        }
    }

    /// A client that is at a node which has missed a message gets a later one, and moves.
    async fn trim_and_move(&mut self, roles: &Roles) {
        let room = self.script_room;
        let subscribe = Command::Subscribe(room);
        let client = self.join_with(roles.reader, room, &subscribe).await;
        self.cut(roles.reader);
        self.publish_in(roles.author, room);
        sleep(SOON).await;
        self.trim_all(0);
        self.publish_in(roles.other, room);
        sleep(SOON).await;
        self.cluster.heal(roles.reader);
        // A Close that follows is lost with the connection.
        self.await_message(client).await;
        self.move_client(client, roles.other).await;
    }

    /// A message is removed that a node has not read, and its author dies.
    async fn trim_and_kill(&mut self, roles: &Roles) {
        let room = self.script_room;
        self.join_with(roles.reader, room, &Command::Subscribe(room))
            .await;
        self.cut(roles.reader);
        self.publish_in(roles.author, room);
        sleep(SOON).await;
        self.kill(roles.author).await;
        self.trim_all(0);
        self.cluster.heal(roles.reader);
    }

    /// A node reads only the second copy of a message, and a client comes that has had the first.
    async fn trim_the_first_copy(&mut self, roles: &Roles) {
        let room = self.script_room;
        let subscribe = Command::Subscribe(room);
        let client = self.join_with(roles.other, room, &subscribe).await;
        self.cut(roles.reader);
        self.publish_without_answer(roles.author).await;
        self.publish_in(roles.other, room);
        sleep(SOON).await;
        self.trim_all(1);
        self.cluster.heal(roles.author);
        sleep(RECONNECTED).await;
        self.cluster.heal(roles.reader);
        sleep(RECONNECTED * 2).await;
        self.read_all().await;
        self.move_client(client, roles.reader).await;
    }

    /// A node comes back that the others have taken for dead, and does not read why.
    async fn forget_a_death(&mut self, roles: &Roles) {
        let room = self.script_room;
        let subscribe = Command::Subscribe(room);
        let member = self.join_with(roles.author, room, &subscribe).await;
        self.enter(member, "survivor").await;
        sleep(SOON).await;
        self.cut(roles.author);
        self.may_be_dead = true;
        sleep(DEATH).await;
        self.cluster.server().trim(Lane(0), 0);
        self.cluster.heal(roles.author);
    }

    /// The log loses a message that a node has not read. Its author publishes another one before its
    /// next heartbeat, or none.
    async fn lose_the_last(&mut self, roles: &Roles, is_followed: bool) {
        let room = self.script_room;
        self.join_with(roles.reader, room, &Command::Subscribe(room))
            .await;
        self.cut(roles.reader);
        self.publish_in(roles.author, room);
        sleep(SOON).await;
        self.lose_last_entries();
        if is_followed {
            self.publish_in(roles.author, room);
            sleep(SOON).await;
        }
        self.cluster.heal(roles.reader);
    }

    fn trim_all(&self, keep: usize) {
        for lane in 0..8 {
            self.cluster.server().trim(Lane(lane), keep);
        }
    }

    /// Waits until a client has read one message, or is disconnected.
    async fn await_message(&mut self, at: usize) {
        let client = &mut self.clients[at];
        while client.last.is_none() && client.connection.is_some() {
            if !client.read_next(self.mode).await {
                sleep(Duration::from_millis(10)).await;
            }
        }
    }
}
