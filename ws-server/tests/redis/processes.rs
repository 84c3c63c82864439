//! Two servers in processes of their own, which share one Redis.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use std::{env, mem};

use tokio::net::TcpListener;
use tokio::time::{Instant, sleep};
use ws_server::prelude::*;
use ws_server::session::Secrets;

use crate::browser::Client;
use crate::server::RedisServer;

/// Tells a process that it is a server, and where its Redis is.
const REDIS: &str = "WS_SERVER_TEST_REDIS";

/// The messages of each client.
const COUNT: usize = 1_250;

/// Clients of each server.
const CLIENTS: usize = 4;

topics! {
    Hall: "hall" => String { presence: String };
}

/// Enters the hall under its name, publishes what its client sends, and lists the members on
/// request.
struct Chat {
    name: String,
}

#[ws_handler]
impl Chat {
    fn init(Path(name): Path<String>, socket: &Socket<Self>) -> Self {
        socket.enter(&Hall, &name, name.clone());
        socket.subscribe(&Hall);
        Chat { name }
    }

    async fn message(&mut self, text: String, hub: &Hub) -> Result<Option<String>, Close> {
        if text == "members" {
            return Ok(Some(format!("members {}", members(hub))));
        }
        if let Some(number) = text.strip_prefix("push ") {
            // An answer means that it is in the log.
            hub.everyone().send("n", &number).await?;
            return Ok(Some("pushed".to_owned()));
        }
        hub.publish(Hall, &format!("{} {text}", self.name)).await?;
        Ok(None)
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
struct ServerProcess {
    process: Child,
    port: u16,
}

impl ServerProcess {
    fn start(redis: &RedisServer) -> Self {
        let mut process = Command::new(env::current_exe().unwrap())
            .args([
                "--ignored",
                "--exact",
                "processes::server_process",
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

    fn kill(&mut self) {
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

/// Sends all messages of a client, and returns everything that it receives.
async fn talk(mut client: Client) -> (Client, Vec<String>) {
    let mut all = Vec::new();
    for number in 0..COUNT {
        client.send(&number.to_string()).await;
        // Half of what is under way is that of others.
        while all.len() < number * CLIENTS {
            all.push(client.text().await.unwrap());
        }
    }
    while all.len() < 2 * CLIENTS * COUNT {
        all.push(client.text().await.unwrap());
    }
    (client, all)
}

/// The members that a client's server knows.
async fn members_of(client: &mut Client) -> String {
    client.send("members").await;
    client.text().await.unwrap()
}

#[tokio::test]
async fn two_processes_deliver_alike_and_members_of_a_killed_one_leave() {
    let redis = RedisServer::start();
    let mut servers = [ServerProcess::start(&redis), ServerProcess::start(&redis)];
    let mut talks = Vec::new();
    for (server, name) in servers.iter().zip(["a", "b"]) {
        for number in 0..CLIENTS {
            let path = format!("/chat/{name}{number}");
            talks.push(talk(Client::connect(server.port, &path).await));
        }
    }
    let mut talked = futures::future::join_all(talks).await;
    let order = mem::take(&mut talked[0].1);
    assert_eq!(order.len(), 10_000);
    for (_, all) in &talked[1..] {
        assert!(*all == order, "a client has received another order");
    }
    for (name, number) in ["a", "b"]
        .iter()
        .flat_map(|name| (0..CLIENTS).map(move |it| (name, it)))
    {
        let begin = format!("{name}{number} ");
        let own = order.iter().filter_map(|text| text.strip_prefix(&begin));
        assert!(
            own.eq((0..COUNT)
                .map(|number| number.to_string())
                .collect::<Vec<_>>())
        );
    }
    let mut client = talked.pop().unwrap().0;
    let all = "members a0,a1,a2,a3,b0,b1,b2,b3";
    while members_of(&mut client).await != all {
        sleep(Duration::from_millis(20)).await;
    }
    servers[0].kill();
    let killed = Instant::now();
    for (client, _) in &mut talked[..CLIENTS] {
        assert_eq!(client.text().await, None);
    }
    let expected = "members b0,b1,b2,b3";
    let mut members = members_of(&mut client).await;
    while members != expected {
        assert_eq!(members, all, "the members of a node leave together");
        sleep(Duration::from_millis(20)).await;
        members = members_of(&mut client).await;
    }
    println!(
        "the members of the killed process have left after {:?}",
        killed.elapsed()
    );
}

/// A page without cookies: what it knows, and its connection.
struct Device {
    client: Client,
    id: String,
    epoch: String,
    base: String,
    offset: u64,
    at: String,
}

fn member(message: &serde_json::Value, name: &str) -> Option<String> {
    Some(message[name].as_str()?.to_owned())
}

async fn next(client: &mut Client) -> serde_json::Value {
    serde_json::from_str(&client.text().await.unwrap()).unwrap()
}

impl Device {
    async fn connect(port: u16) -> Self {
        let mut client = Client::connect_page(port, "/device?client=7&attempt=1").await;
        let welcome = next(&mut client).await;
        Self {
            client,
            id: member(&welcome, "page").unwrap(),
            epoch: member(&welcome, "epoch").unwrap(),
            base: member(&welcome, "base").unwrap(),
            offset: 0,
            at: String::new(),
        }
    }

    /// Connects to another server. Returns its `welcome`.
    async fn move_to(&mut self, port: u16) -> serde_json::Value {
        let Self {
            id,
            epoch,
            base,
            offset,
            at,
            ..
        } = self;
        let query = format!("z_pid={id}&epoch={epoch}&offset={offset}&base={base}&at={at}");
        let path = format!("/device?client=7&attempt=2&{query}");
        self.client = Client::connect_page(port, &path).await;
        next(&mut self.client).await
    }

    /// The data of the next message, which must be an event.
    async fn event(&mut self) -> String {
        let event = next(&mut self.client).await;
        self.offset = event["offset"]
            .as_u64()
            .unwrap_or_else(|| panic!("{event}"));
        self.at = member(&event, "at").unwrap();
        member(&event, "data").unwrap()
    }
}

async fn push(chat: &mut Client, number: usize) {
    chat.send(&format!("push {number}")).await;
    assert_eq!(chat.text().await.as_deref(), Some("pushed"));
}

#[tokio::test]
async fn a_page_of_a_killed_process_continues_on_the_other_one_without_a_reset() {
    let redis = RedisServer::start();
    let mut servers = [ServerProcess::start(&redis), ServerProcess::start(&redis)];
    let mut chat = Client::connect(servers[1].port, "/chat/ada").await;
    let mut device = Device::connect(servers[0].port).await;
    for number in 0..5 {
        push(&mut chat, number).await;
        assert_eq!(device.event().await, number.to_string());
    }
    servers[0].kill();
    assert_eq!(device.client.text().await, None);
    for number in 5..10 {
        push(&mut chat, number).await;
    }
    let welcome = device.move_to(servers[1].port).await;
    assert_eq!(welcome["continued"], true, "{welcome}");
    for number in 10..15 {
        push(&mut chat, number).await;
    }
    for number in 5..15 {
        if number == 10 {
            // What it has missed is complete.
            let places = next(&mut device.client).await;
            assert_eq!(places["type"], "pong", "{places}");
        }
        assert_eq!(device.event().await, number.to_string());
    }
}
