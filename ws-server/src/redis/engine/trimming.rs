//! Trims the lanes, and keeps keys that are in use from expiring.

use ::redis::Cmd;
use ws_core::log::Lane;
use ws_core::log::shared::EngineError;

use super::super::RedisError;
use super::super::channel::Repeat;
use super::super::info;
use super::lanes::share;
use super::{RELAYED_AGE, Shared, TTL, WINDOW_AGE, keys, milliseconds, scripts};

impl Shared {
    /// Removes entries past the limits, and keeps the keys of a lane from expiring. If the memory of
    /// the server is full, removes half of the entries, and all relayed ones.
    pub(super) async fn trim(&self, lane: Lane) {
        let mut trimmed = self.trim_lane(lane).await.map_err(EngineError::from);
        // The first lane of each server of Redis; every one in a cluster.
        if lane.index() < self.servers.count() && trimmed.is_ok() {
            trimmed = self.keep_layout(lane).await.map_err(EngineError::from);
        }
        if lane == Lane(0) && trimmed.is_ok() {
            trimmed = self.keep_members().await;
        }
        if let Err(error) = trimmed {
            tracing::debug!(%error, lane = lane.0, "a lane could not be trimmed");
        }
    }

    async fn trim_lane(&self, lane: Lane) -> Result<(), RedisError> {
        let is_full = self.states.take_full(lane);
        let Some(generation) = self.states.generation(lane) else {
            return Ok(());
        };
        let reason = if is_full { "full" } else { "" };
        let arguments = |command: &mut Cmd| {
            command.arg(3).arg(self.keys.log(lane, generation));
            command.arg(self.keys.generation(lane));
            command.arg(&*self.relayed(lane));
            command.arg(milliseconds(WINDOW_AGE));
            command.arg(share(self.lanes));
            command.arg(milliseconds(TTL)).arg(reason);
            command.arg(milliseconds(RELAYED_AGE));
        };
        let channel = &self.servers.of(lane).links.commands;
        scripts::TRIM.run(channel, Repeat::Once, arguments).await
    }

    /// Keeps the layout from expiring, and looks at the memory.
    async fn keep_layout(&self, lane: Lane) -> Result<(), RedisError> {
        self.check_layout(lane).await?;
        let mut command = ::redis::cmd("INFO");
        command.arg("memory");
        let channel = &self.servers.of(lane).links.commands;
        let text: String = channel.query(&command, "INFO", Repeat::Once).await?;
        self.servers.gauge(lane).set_memory(info::memory(&text));
        Ok(())
    }

    /// Keeps the members of the nodes of this engine from expiring.
    async fn keep_members(&self) -> Result<(), EngineError> {
        for node in self.states.nodes() {
            let arguments = |command: &mut Cmd| {
                self.keys.add_members(command);
                command.arg(keys::node(node)).arg(milliseconds(TTL));
            };
            self.run::<()>(&scripts::RECORD_MEMBERS, arguments).await?;
        }
        Ok(())
    }
}
