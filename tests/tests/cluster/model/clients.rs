//! Clients of the rooms, and what they receive on all their connections.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use ws_server::CloseCode;
use ws_server::testkit::{Received, TestClient};
use ws_server::topic::Position;

use super::reference::Chain;
use super::{CLIENTS, Mode, NODES, ROOMS, World};
use crate::rooms::{Command, Event, connect};

/// A client of one room, and what it has received on all its connections.
pub(super) struct Client {
    pub(super) room: u64,
    /// `None` between two connections.
    pub(super) connection: Option<TestClient>,
    pub(super) last: Option<Position>,
    /// The key under which it has entered.
    pub(super) member: Option<String>,
    pub(super) chain: Chain,
}

impl Client {
    /// Reads what has arrived.
    async fn read(&mut self, mode: Mode) {
        while self.read_next(mode).await {}
    }

    /// Reads the next message or Close that has arrived. Returns whether there was one.
    pub(super) async fn read_next(&mut self, mode: Mode) -> bool {
        let Some(connection) = &mut self.connection else {
            return false;
        };
        let Ok(received) = timeout(Duration::ZERO, connection.receive()).await else {
            return false;
        };
        match received {
            Received::Message(message) => {
                let event = serde_json::from_str(message.as_text().unwrap()).unwrap();
                let Event::Said { text, position } = event else {
                    panic!("not a message of a room: {event:?}");
                };
                self.chain.received.push(text.parse().unwrap());
                self.last = Some(position);
            }
            Received::Ping(_) | Received::Pong(_) => {}
            Received::Close(code, reason) => {
                let is_gap = matches!(code, CloseCode::SERVICE_RESTART | CloseCode::POLICY);
                assert!(
                    !is_gap || mode != Mode::Lossless,
                    "{code:?} {reason}, but nothing was lost"
                );
                connection.reset().await;
                self.connection = None;
                self.member = None;
                if code != CloseCode::GOING_AWAY {
                    // It was notified that messages may be missing: it begins again.
                    self.last = None;
                }
            }
            Received::End => self.connection = None,
        }
        true
    }
}

impl World {
    pub(super) async fn join(&mut self) {
        let node = self.random.below(NODES);
        let room = self.random.below(3) as u64 % ROOMS;
        let command = match self.random.below(2) {
            0 => Command::Subscribe(room),
            _ => Command::Replay(room, self.random.below(6)),
        };
        if self.clients.len() < CLIENTS && self.is_alive[node] {
            self.join_with(node, room, &command).await;
        }
    }

    /// Connects a client, and returns its index.
    pub(super) async fn join_with(&mut self, node: usize, room: u64, command: &Command) -> usize {
        let mut connection = connect(&self.cluster, node).await;
        connection.send_json(command).await;
        sleep(Duration::from_millis(1)).await;
        self.clients.push(Client {
            room,
            connection: Some(connection),
            last: None,
            member: None,
            chain: Chain::new(room, Instant::now()),
        });
        self.clients.len() - 1
    }

    /// Disconnects a client and connects it to any node, behind its last message.
    pub(super) async fn resume(&mut self) {
        let node = self.random.below(NODES);
        let at = self.random.below(CLIENTS);
        if at < self.clients.len() && self.is_alive[node] {
            self.read_all().await;
            self.move_client(at, node).await;
        }
    }

    /// Disconnects a client and connects it to a node, behind its last message.
    pub(super) async fn move_client(&mut self, at: usize, node: usize) {
        let client = &mut self.clients[at];
        if let Some(mut connection) = client.connection.take() {
            connection.reset().await;
        }
        client.member = None;
        let mut connection = connect(&self.cluster, node).await;
        let command = if let Some(position) = &client.last {
            Command::Since(client.room, position.clone())
        } else {
            Command::Subscribe(client.room)
        };
        connection.send_json(&command).await;
        sleep(Duration::from_millis(1)).await;
        if client.last.is_none() {
            let chain = Chain::new(client.room, Instant::now());
            self.chains
                .push(std::mem::replace(&mut client.chain, chain));
        }
        client.chain.attached = Instant::now();
        client.connection = Some(connection);
    }

    /// Reads what has arrived at all clients.
    pub(super) async fn read_all(&mut self) {
        for client in &mut self.clients {
            client.read(self.mode).await;
        }
    }

    /// Disconnects all clients but the first ones.
    pub(super) async fn keep_clients(&mut self, count: usize) {
        for mut client in self.clients.split_off(count) {
            if let Some(connection) = &mut client.connection {
                connection.reset().await;
            }
            self.chains.push(client.chain);
        }
    }
}
