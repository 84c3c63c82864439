//! Opens the lanes, and checks that all servers have the same.

use ::redis::Cmd;
use ws_core::log::shared::{EngineError, Opened, marker};
use ws_core::log::{Generation, Lane};

use super::super::RedisError;
use super::super::channel::Repeat;
use super::super::info::ServerId;
use super::lanes::OpenLane;
use super::seals::Place;
use super::{Shared, TTL, answers, keys, milliseconds, scripts, unexpected};

impl Shared {
    pub(super) async fn open(&self, lane: Lane) -> Result<Opened, EngineError> {
        self.check_layout(lane).await?;
        let redis = self.servers.of(lane);
        let channel = &redis.links.commands;
        let live = channel.live().await.map_err(EngineError::from)?;
        let server = &live.connected.server;
        self.servers.gauge(lane).set_memory(live.connected.memory);
        let proposed = Generation::random();
        let highest = self.states.highest(lane);
        let known = self.states.open_lane(lane);
        let former = known.as_ref().filter(|it| it.server != *server);
        let has_moved = match former {
            Some(OpenLane { server, node, .. }) => {
                redis.links.target.was_handed_over(node, server).await
            }
            None => false,
        };
        let arguments = |command: &mut Cmd| {
            self.keys.add_opened(command, lane, &self.relayed(lane));
            command.arg(&server.run).arg(&server.replication);
            command.arg(keys::generation(proposed));
            let marker = marker(proposed);
            command.arg(&marker[..]);
            command.arg(highest.time).arg(milliseconds(TTL));
            command.arg(self.seals.of(Place::Log(lane, proposed), &marker));
            match &known {
                Some(known) => {
                    let ServerId { run, replication } = &known.server;
                    command.arg(format!("{run} {replication}"));
                    command.arg(keys::generation(known.generation));
                }
                None => {
                    command.arg("").arg("");
                }
            }
            command.arg(if has_moved { "moved" } else { "" });
            command.arg(answers::id_text(highest));
        };
        let answer = scripts::OPEN.run_on(channel, &live, arguments).await;
        let answer: Vec<String> = answer.map_err(EngineError::from)?;
        if answer.is_empty() {
            live.replace();
            return Err(RedisError::replaced(redis.address()).into());
        }
        let (opened, end) = answers::opened(&answer).ok_or_else(|| unexpected(redis, "XINFO"))?;
        self.states.opened(
            lane,
            OpenLane {
                generation: opened.generation,
                server: server.clone(),
                node: live.connected.node.clone(),
                log: self.keys.log(lane, opened.generation).into(),
            },
            end,
        );
        Ok(opened)
    }

    /// Checks that all servers have the same lanes on the same servers of Redis, by what the server
    /// of this lane has.
    pub(super) async fn check_layout(&self, lane: Lane) -> Result<(), RedisError> {
        let arguments = |command: &mut Cmd| self.add_layout(command);
        let redis = self.servers.layout_of(lane);
        let channel = &redis.links.commands;
        let found: String = scripts::LAYOUT
            .run(channel, Repeat::Once, arguments)
            .await?;
        if found == self.layout {
            return Ok(());
        }
        Err(RedisError::Layout {
            address: redis.address().to_owned(),
            found,
            expected: self.layout.clone(),
        })
    }

    fn add_layout(&self, command: &mut Cmd) {
        command.arg(1).arg(self.keys.lanes());
        command.arg(&self.layout).arg(milliseconds(TTL));
    }
}
