//! The topics and the handler of all tests: a client controls it by JSON commands.

use serde::{Deserialize, Serialize};
use ws_server::limits::Limits;
use ws_server::prelude::*;
use ws_server::testkit::{Cluster, TestClient};
use ws_server::topic::{MembersEvent, Position, PublishError, Received};

topics! {
    pub(crate) Room: "room/{id: u64}" => String { history: 5, keep: 10m, presence: String };
    pub(crate) News: "news/{id: u64}" => String;
    pub(crate) Typing: "typing/{id: u64}" => String { relay: live };
}

#[derive(Serialize, Deserialize)]
pub(crate) enum Command {
    Subscribe(u64),
    Replay(u64, usize),
    Since(u64, Position),
    News(u64),
    Typing(u64),
    Publish(u64, String),
    PublishNews(u64, String),
    PublishTyping(u64, String),
    Enter(u64, String, String),
    Leave(u64),
    Watch(u64),
}

/// What the client gets: the name of the topic and the value, or an event about members.
#[derive(Serialize, Deserialize, PartialEq, Debug)]
pub(crate) enum Event {
    Said { text: String, position: Position },
    Text(String),
    Members(MembersEvent<String>),
}

impl From<Received<String>> for Event {
    fn from(Received { value, position }: Received<String>) -> Self {
        let text = value;
        Self::Said { text, position }
    }
}

impl From<String> for Event {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<MembersEvent<String>> for Event {
    fn from(event: MembersEvent<String>) -> Self {
        Self::Members(event)
    }
}

pub(crate) struct Visitor;

#[ws_handler]
impl Visitor {
    fn init() -> Self {
        Visitor
    }

    async fn message(
        &mut self,
        Json(command): Json<Command>,
        hub: &Hub,
        socket: &Socket<Self>,
    ) -> Result<(), Close> {
        match command {
            Command::Subscribe(id) => socket.listen(Room(id).with_position()),
            Command::Replay(id, last) => socket.listen(Room(id).replay(last).with_position()),
            Command::Since(id, position) => {
                socket.listen(Room(id).since(position).with_position())?;
            }
            Command::News(id) => socket.listen(News(id)),
            Command::Typing(id) => socket.listen(Typing(id)),
            Command::Publish(id, text) => _ = hub.publish_except(Room(id), &text, socket),
            Command::PublishNews(id, text) => _ = hub.publish(News(id), &text),
            Command::PublishTyping(id, text) => _ = hub.publish(Typing(id), &text),
            Command::Enter(id, key, member) => socket.enter(&Room(id), &key, member),
            Command::Leave(id) => _ = socket.leave(&Room(id)),
            Command::Watch(id) => socket.listen_members(&Room(id)),
        }
        Ok(())
    }

    fn info(&mut self, event: Event) -> Json<Event> {
        Json(event)
    }
}

/// Connects a client that the server does not disconnect because it is silent.
pub(crate) async fn connect(cluster: &Cluster, node: usize) -> TestClient {
    let limits = Limits::DEFAULT.ping(None).idle(None);
    let client = cluster.node(node).handler::<Visitor>().limits(limits);
    client.connect().await.unwrap()
}

/// Connects a client and executes commands.
pub(crate) async fn visitor(cluster: &Cluster, node: usize, commands: &[Command]) -> TestClient {
    let mut client = connect(cluster, node).await;
    for command in commands {
        client.send_json(command).await;
    }
    client
}

pub(crate) async fn said(client: &mut TestClient) -> (String, Position) {
    match client.json().await {
        Event::Said { text, position } => (text, position),
        other => panic!("not a message: {other:?}"),
    }
}

pub(crate) async fn text(client: &mut TestClient) -> String {
    match client.json().await {
        Event::Said { text, .. } | Event::Text(text) => text,
        Event::Members(members) => panic!("not a text: {members:?}"),
    }
}

pub(crate) async fn publish(
    cluster: &Cluster,
    node: usize,
    text: &str,
) -> Result<Position, PublishError> {
    cluster
        .node(node)
        .hub()
        .publish(Room(7), &text.to_owned())
        .await
}

pub(crate) fn names(cluster: &Cluster, node: usize) -> Vec<String> {
    let members = cluster.node(node).hub().members(&Room(7));
    members
        .into_iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect()
}
