//! A server in a process of its own, and its handlers.

use std::env;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use tokio::net::TcpListener;
use ws_server::prelude::*;
use ws_server::session::Secrets;
use ws_server::topic::PublishError;

use crate::browser::Client;
use crate::server::RedisServer;

/// Tells a process that it is a server, and where its Redis is.
const REDIS: &str = "WS_SERVER_TEST_REDIS";

topics! {
    /// Without a history.
    Hall: "hall" => String { presence: String };
    /// With one.
    Told: "told" => String { history: 100, keep: 10m };
}

/// Enters the hall under its name, and publishes what its client sends: to the hall, or what begins
/// with `tell` to the topic with a history. Lists the members and subscribes pages on request.
struct Chat {
    name: String,
}

#[ws_handler]
impl Chat {
    fn init(Path(name): Path<String>, socket: &Socket<Self>) -> Self {
        socket.enter(&Hall, &name, name.clone());
        socket.subscribe(&Hall);
        socket.subscribe(&Told);
        Chat { name }
    }

    async fn message(&mut self, text: String, hub: &Hub) -> Result<Option<String>, Close> {
        if text == "members" {
            return Ok(Some(format!("members {}", members(hub))));
        }
        if let Some(number) = text.strip_prefix("push ") {
            push(hub, number).await?;
            return Ok(Some("pushed".to_owned()));
        }
        if let Some(id) = text.strip_prefix("subscribe ") {
            let page = hub.page(id).expect("the page is on this server");
            page.subscribe("said", Hall).expect("few topics");
            page.subscribe("said", Told).expect("few topics");
            return Ok(Some("subscribed".to_owned()));
        }
        publish(hub, &self.name, &text).await?;
        Ok(None)
    }
}

/// Publishes and pushes what its client sends, and answers when it is in the log. Nothing on its
/// server is subscribed because of it.
struct Speaker;

#[ws_handler]
impl Speaker {
    fn init() -> Self {
        Speaker
    }

    async fn message(&mut self, text: String, hub: &Hub) -> Result<String, Close> {
        match text.strip_prefix("push ") {
            Some(number) => push(hub, number).await?,
            None => publish(hub, "speaker", &text).await?,
        }
        Ok(text)
    }
}

async fn push(hub: &Hub, number: &str) -> Result<(), PublishError> {
    hub.everyone().send("n", &number).await.map(drop)
}

async fn publish(hub: &Hub, name: &str, text: &str) -> Result<(), PublishError> {
    let said = format!("{name} {text}");
    if text.starts_with("tell ") {
        hub.publish(Told, &said).await.map(drop)
    } else {
        hub.publish(Hall, &said).await.map(drop)
    }
}

fn members(hub: &Hub) -> String {
    let members = hub.members(&Hall).into_iter();
    let mut names: Vec<String> = members.map(|(_, member)| member).collect();
    names.sort_unstable();
    names.join(",")
}

dispatch! {
    struct Routes;

    chat: "/chat/{name}" => Chat { require_session: false };
    speaker: "/speaker" => Speaker { require_session: false };
    device: "/device" => PageStream { attach: page, require_session: false };
}

/// A server until its process is killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it is the process of a server, which another test starts"]
async fn server_process() {
    let redis = env::var(REDIS).expect("the process is started by a test");
    let secrets = Secrets::new([[7; 32]]).unwrap();
    let server = Server::new(Routes::table()).redis([redis]).secrets(secrets);
    let ws = server.build().unwrap();
    ws.ready().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    println!("port {}", listener.local_addr().unwrap().port());
    ws.run_listener(listener).await.unwrap();
}

/// A server in a process of its own. Dropping it kills the process.
pub(super) struct ServerProcess {
    process: Child,
    pub(super) port: u16,
}

impl ServerProcess {
    pub(super) fn start(redis: &RedisServer) -> Self {
        let mut process = Command::new(env::current_exe().unwrap())
            .args([
                "--ignored",
                "--exact",
                "processes::server::server_process",
                "--nocapture",
            ])
            .env(REDIS, redis.url(""))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let port = lines.map_while(Result::ok).find_map(|line| {
            let (_, port) = line.split_once("port ")?;
            port.parse().ok()
        });
        let port = port.expect("the server listens");
        Self { process, port }
    }

    pub(super) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // It may have been killed before.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The members that a client's server knows.
pub(super) async fn members_of(client: &mut Client) -> String {
    client.send("members").await;
    client.text().await.unwrap()
}
